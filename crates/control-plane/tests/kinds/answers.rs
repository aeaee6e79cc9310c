//! Members whose API servers answer, and of whose answers none is of use.

use serde_json::json;

use crate::support::tap::{Spoilt, Tap};
use crate::support::{Fleet, MINUTE, SPREAD};

/// Watches end after five minutes: in ten they too have been answered so.
#[tokio::test(start_paused = true)]
async fn the_fleet_goes_on_beside_a_member_whose_answers_are_of_no_use() {
    for spoilt in [Spoilt::Status(500), Spoilt::Status(429), Spoilt::Garbage, Spoilt::Half] {
        let mut fleet = Fleet::idle().await;
        let tap = Tap::new();
        fleet.run_as(fleet.tapped(&tap));
        fleet.join("fed-west", "westus", &["1"]).await;
        fleet.join("fed-east", "eastus", &["1"]).await;
        let settings = |value: &str| json!({"metadata": {"name": "settings"}, "data": {"k": value}});
        let says = async |member: &str| fleet.copy(member, "ConfigMap", "settings").await["data"]["k"].clone();
        fleet.apply("ConfigMap", settings("old")).await;
        fleet.is_told("ConfigMap", "settings", "Propagated", "True InSync").await;
        fleet.replica_set("hostname", 4, Some(SPREAD)).await;
        fleet.is_spread("hostname", &[("fed-west", 2), ("fed-east", 2)]).await;

        tap.spoil("fed-west", Some(spoilt));
        fleet.apply("ConfigMap", settings("new")).await;
        fleet.eventually("the other takes it", async || says("fed-east").await == "new").await;
        let spread = [("fed-west", 2), ("fed-east", 2)];
        let stays = async || {
            let held = [fleet.held("hostname", "fed-west").await.0, fleet.held("hostname", "fed-east").await.0];
            held == [2, 2]
        };
        fleet.always(10 * MINUTE, "nothing is moved", stays).await;
        // Half an answer comes after the whole has been done, and watches that had begun before still tell of it.
        let (told, held) = match spoilt {
            Spoilt::Half => ("True InSync", "new"),
            _ => ("False MemberUnreachable: fed-west: ", "old"),
        };
        fleet.is_told("ConfigMap", "settings", "Propagated", told).await;
        assert_eq!(says("fed-west").await, held);
        fleet.apply("ConfigMap", settings("newer")).await;
        fleet.eventually("the other takes it", async || says("fed-east").await == "newer").await;

        tap.spoil("fed-west", None);
        fleet.eventually("it has caught up", async || says("fed-west").await == "newer").await;
        fleet.is_told("ConfigMap", "settings", "Propagated", "True InSync").await;
        fleet.is_spread("hostname", &spread).await;
    }
}
