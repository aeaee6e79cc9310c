//! `kfed status`

use kfed_api::{Backlog, DnsStatus, QueueStatus};
use kfed_control_plane::overview::{Overview, overview};

use crate::error::Error;
use crate::kubeconfig::{DEADLINE, Place};
use crate::output::table;
use crate::table::{Format, print_text};

/// Show the federation at a glance: members, objects, what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kfed status --context myfederation\n  kfed status -o json | jq .troubles")]
pub(crate) struct Args {
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let client = args.place.client().await?;
    let overview = overview(&client, DEADLINE).await?;
    print_text(args.output, &overview, |_| text(&overview));
    Ok(())
}

/// What waits, and since when, if anything does.
fn waits(backlog: &Backlog, what: &str) -> Option<String> {
    let since = backlog.since.as_ref().map(|since| format!(" since {}", since.0.strftime("%Y-%m-%dT%H:%M:%SZ")));
    (backlog.waiting > 0).then(|| format!("{} {what}{}", backlog.waiting, since.unwrap_or_default()))
}

fn all<const N: usize>(waits: [Option<String>; N]) -> String {
    let waits: Vec<_> = waits.into_iter().flatten().collect();
    if waits.is_empty() { "nothing waits".to_owned() } else { waits.join("; ") }
}

fn text(overview: &Overview) -> String {
    let mut text = format!("federation {}\n", overview.federation);
    for condition in &overview.conditions {
        text += &format!("  {} {}: {}\n", condition.type_, condition.status, condition.message);
    }
    if let Some(leader) = &overview.leader {
        text += &match leader.identity.as_str() {
            "" => "  led by nobody: the last leader has given the lease back\n".to_owned(),
            identity => format!("  led by {identity} since {}, renewed {}\n", leader.since, leader.renewed),
        };
    }
    if let Some(QueueStatus { objects, writes }) = &overview.queue {
        let waits = [waits(objects, "objects wait to be looked at"), waits(writes, "writes wait for members")];
        text += &format!("  queue: {}\n", all(waits));
    }
    if let Some(DnsStatus { changes, budget }) = &overview.dns {
        text += &format!("  DNS: {}\n", all([waits(changes, "record sets wait to be changed")]));
        let left =
            budget.iter().map(|of| format!("{} {} of {} in {} s", of.kind, of.left, of.requests, of.per_seconds));
        let left: Vec<_> = left.collect();
        if !left.is_empty() {
            text += &format!("  DNS budget left: {}\n", left.join(", "));
        }
    }
    for awaiting in &overview.awaiting {
        text += &format!("  waits for kfed approve {awaiting}\n");
    }
    let members = overview.members.iter().map(|member| {
        let place = [&[member.region.clone()][..], &member.zones].concat().join("/");
        let numbers = [member.objects, member.troubles].map(|number| number.to_string());
        let [objects, troubles] = numbers;
        [
            member.name.clone(),
            member.phase.clone(),
            place,
            member.version.clone(),
            objects,
            troubles,
            member.why.clone(),
        ]
    });
    text += "\n";
    text += &table(["MEMBER", "STATUS", "PLACE", "VERSION", "OBJECTS", "WRONG", "WHY"], members);
    let kinds =
        overview.kinds.iter().map(|kind| [kind.resource.clone(), kind.objects.to_string(), kind.in_sync.to_string()]);
    text += "\n";
    text += &table(["KIND", "OBJECTS", "IN SYNC"], kinds);
    if !overview.troubles.is_empty() {
        let troubles = overview.troubles.iter().map(|trouble| {
            let condition = &trouble.condition;
            [trouble.object.clone(), condition.reason.clone(), condition.since.clone(), condition.message.clone()]
        });
        text += "\n";
        text += &table(["OBJECT", "REASON", "SINCE", "MESSAGE"], troubles);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(status: serde_json::Value) -> String {
        let status: kfed_api::FederationStatus = serde_json::from_value(status).unwrap();
        text(&Overview { federation: "fed".into(), queue: status.queue, dns: status.dns, ..Overview::default() })
    }

    #[test]
    fn what_waits_is_shown_and_that_nothing_does() {
        let none = json!({"waiting": 0, "since": null});
        let budget = |left| {
            let of = |kind, requests, left| json!({"kind": kind, "requests": requests, "perSeconds": 60, "left": left});
            json!([of("create", 200, 200), of("update", 40, left)])
        };
        let rest = shown(json!({
            "queue": {"objects": none, "writes": none}, "dns": {"changes": none, "budget": budget(40)}
        }));
        let lines: Vec<_> = rest.lines().take(4).collect();
        let rest = [
            "federation fed",
            "  queue: nothing waits",
            "  DNS: nothing waits",
            "  DNS budget left: create 200 of 200 in 60 s, update 40 of 40 in 60 s",
        ];
        assert_eq!(lines, rest);

        let some = |waiting| json!({"waiting": waiting, "since": "2026-01-01T10:00:00.123456Z"});
        let busy = shown(json!({
            "queue": {"objects": some(640), "writes": some(3)}, "dns": {"changes": some(210), "budget": budget(0)}
        }));
        let lines: Vec<_> = busy.lines().skip(1).take(3).collect();
        let busy = [
            "  queue: 640 objects wait to be looked at since 2026-01-01T10:00:00Z; 3 writes wait for members since 2026-01-01T10:00:00Z",
            "  DNS: 210 record sets wait to be changed since 2026-01-01T10:00:00Z",
            "  DNS budget left: create 200 of 200 in 60 s, update 0 of 40 in 60 s",
        ];
        assert_eq!(lines, busy);
        assert!(!shown(json!({})).contains("waits"), "a control plane of before says nothing of it");
    }
}
