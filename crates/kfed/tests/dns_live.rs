//! `kfed dns list`, `plan`, `audit`, `gc` and `adopt` beside a control plane, and after one was killed: all of it in processes.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;
#[path = "support/zone.rs"]
mod zone;

use kfed_dnsprovider::{Owner, RecordSet, RecordType, Resource};
use serde_json::{Value, json};
use zone::{Fleet, bare, eventually, refused};

const WEB: &str = "web.default.fed.svc";

fn is_clean(sets: usize) -> impl Fn(&Value) -> bool {
    move |audit| audit["clean"] == true && audit["summary"] == json!({"wanted": sets})
}

/// `VERDICT TYPE name: why` of all that is not wanted.
fn found(audit: &Value) -> Vec<String> {
    let rows = audit["sets"].as_array().unwrap().iter().filter(|set| set["verdict"] != "wanted");
    let text = |set: &Value, field: &str| set[field].as_str().unwrap().trim_end_matches(".example.com.").to_owned();
    let row =
        |set| format!("{} {} {}: {}", text(set, "verdict"), text(set, "type"), text(set, "name"), text(set, "why"));
    rows.map(row).collect()
}

fn ours(service: &str, set: RecordSet) -> RecordSet {
    RecordSet { metadata: Owner("fed".into()).mark(&Resource::service("default", service)), ..set }
}

/// What others have in the zone: none of our business.
fn strangers(fleet: &Fleet) -> Vec<RecordSet> {
    let other = Owner("other".into()).mark(&Resource::service("default", "web"));
    let sets = [
        bare("A", "www", &["192.0.2.80"]),
        bare("TXT", "note", &["text"]),
        RecordSet { metadata: other, ..bare("A", "web.default.other.svc", &["192.0.2.81"]) },
        bare("CNAME", "alias", &["nowhere.example.com"]),
    ];
    sets.into_iter().map(|set| fleet.put(set)).collect()
}

#[test]
fn what_a_killed_control_plane_leaves_is_found_and_removed_and_nothing_else() {
    let fleet = Fleet::start(&["west", "east"]);
    let mut control_plane = fleet.control_plane(&[]);
    fleet.join("west");
    fleet.join("east");
    fleet.serve("web", 4);
    fleet.serve("api", 4);
    let audit = fleet.audited("both services are published", is_clean(10));
    assert_eq!((&audit["federation"], &audit["zone"]), (&json!("fed"), &json!("example.com")));
    assert_eq!(fleet.dns(&["audit"]).0, Some(0));
    let (code, plan) = fleet.json(&["plan"]);
    assert_eq!((code, &plan["changes"], plan["desired"].as_array().unwrap().len()), (Some(0), &json!([]), 10));
    let answering = |service: &Option<Value>| {
        let addresses = &service.as_ref().unwrap()["metadata"]["annotations"]["kfed.io/addresses"];
        let addresses: Value = serde_json::from_str(addresses.as_str().unwrap()).unwrap();
        addresses["members"]["west"]["answering"].as_array().is_some_and(|addresses| addresses.len() == 1)
    };
    eventually("its address is told to answer", || fleet.service("web"), answering);

    // Amid a deletion, and while somebody edits the zone and puts things of his own there.
    control_plane.signal("KILL");
    control_plane.wait().unwrap();
    fleet.delete_service("api");
    let strangers = strangers(&fleet);
    fleet.put(ours("gone", bare("A", "gone.default.fed.svc", &["192.0.2.9"])));
    let global = bare("A", WEB, &[]).key;
    let edited = fleet.get(&global).unwrap();
    fleet.put(RecordSet { ttl: 3600, ..edited });
    let (code, audit) = fleet.json(&["audit"]);
    assert_eq!(code, Some(1));
    let mut expected: Vec<_> = ["", ".1.eastus", ".1.westus", ".eastus", ".westus"]
        .map(|level| format!("orphaned A api.default.fed.svc{level}: not-published"))
        .into();
    expected.push("orphaned A gone.default.fed.svc: service-gone".into());
    expected.push(format!("drifted A {WEB}: ttl-changed"));
    let mut rows = found(&audit);
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    let (code, plan) = fleet.json(&["plan"]);
    let ops = |op: &str| plan["changes"].as_array().unwrap().iter().filter(|change| change["op"] == op).count();
    assert_eq!((code, ops("delete"), ops("update"), ops("create")), (Some(1), 6, 1, 0), "{plan}");

    let (code, said, _) = fleet.dns(&["gc", "--dry-run"]);
    assert!(code == Some(0) && said.contains("6 record sets would be"), "{said}");
    assert_eq!(found(&fleet.json(&["audit"]).1).len(), 7, "a dry run writes nothing");
    let (code, said, _) = fleet.dns(&["gc", "--yes"]);
    assert!(code == Some(0) && said.ends_with("6 record sets written or removed in zone example.com\n"), "{said}");
    assert_eq!(found(&fleet.json(&["audit"]).1), [format!("drifted A {WEB}: ttl-changed")]);
    let (code, said, _) = fleet.dns(&["gc", "--yes"]);
    assert!(code == Some(0) && said.starts_with("nothing dangles"), "{said}");
    for stranger in &strangers {
        assert_eq!(fleet.get(&stranger.key).as_ref(), Some(stranger), "bit by bit, ETag and all");
    }

    let (code, list) = fleet.json(&["list"]);
    assert_eq!((code, list["records"].as_array().unwrap().len()), (Some(0), 5));
    assert!(list["records"][0]["sources"].is_object() && list["records"][0]["resource"] == "service/default/web");
    let (_, all, _) = fleet.dns(&["list", "--all", "-o", "wide"]);
    assert!(all.contains("www.example.com.") && all.contains(" other "), "{all}");
    let alone = ["list", "--federation-name", "other", "--dns-zone-name", "example.com", "-o", "yaml"];
    let (code, yaml, _) = fleet.dns(&alone);
    assert!(code == Some(0) && yaml.contains("web.default.other.svc.example.com."), "{yaml}");

    // The next control plane finishes what the first has begun.
    let _control_plane = fleet.control_plane(&[]);
    fleet.audited("the zone is as it should be again", is_clean(5));
    eventually("the Service is gone", || fleet.service("api"), Option::is_none);
}

#[test]
fn what_is_adopted_is_the_control_planes_from_then_on() {
    let fleet = Fleet::start(&["west", "east"]);
    let _control_plane = fleet.control_plane(&["--dns-sweep", "1s"]);
    fleet.join("west");
    fleet.join("east");
    fleet.serve("web", 4);
    fleet.audited("the service is published", is_clean(5));

    // external-dns has the name that a Service asks for.
    let entry = "heritage=external-dns,external-dns/owner=prod,external-dns/resource=service/a/b";
    fleet.put(bare("A", "shop", &["192.0.2.70"]));
    let txt = fleet.put(bare("TXT", "a-shop", &[entry]));
    let (code, _, said) = fleet.dns(&["adopt", "shop.example.com", "--yes"]);
    assert!(code == Some(1) && said.contains("no Service of the federation asks for that name"), "{said}");
    fleet.annotate("web", "kfed.io/hostname", "shop.example.com");
    let audit = fleet.audited("the conflict is told", |audit| !found(audit).is_empty());
    assert_eq!(found(&audit), ["conflict A shop: foreign-owner"]);
    let (code, said, _) = fleet.dns(&["adopt", "shop.example.com", "--dry-run"]);
    assert!(code == Some(0) && said.contains("(of `prod`) would become fed's, for service/default/web"), "{said}");
    assert_eq!(fleet.get(&txt.key), Some(txt.clone()), "a dry run writes nothing");
    let (code, said, _) = fleet.dns(&["adopt", "shop.example.com", "--yes"]);
    assert!(code == Some(0) && said.contains("is now fed's"), "{said}");
    assert_eq!(fleet.get(&txt.key), None);
    fleet.audited("the control plane writes it as its own", is_clean(6));
    let [shop, global] = ["shop", WEB].map(|name| fleet.get(&bare("A", name, &[]).key).unwrap());
    assert_eq!(shop.data, global.data);

    // Federation v1 left some behind, one of them at a name that is wanted.
    fleet.put(bare("CNAME", "old.default.fed.svc.westus", &["old.default.fed.svc.example.com"]));
    fleet.put(RecordSet { metadata: Default::default(), ..global });
    let audit = fleet.audited("both are found", |audit| found(audit).len() == 2);
    let rows =
        ["leftover CNAME old.default.fed.svc.westus: no-owner".to_owned(), format!("unmarked A {WEB}: no-owner")];
    assert_eq!(found(&audit), rows);
    let (code, said, _) = fleet.dns(&["adopt", "--v1-leftovers", "--yes"]);
    assert!(code == Some(0) && said.matches("(nobody's) is now fed's").count() == 2, "{said}");
    fleet.audited("the control plane has cleaned up", is_clean(6));
    assert_eq!(fleet.get(&bare("CNAME", "old.default.fed.svc.westus", &[]).key), None);
}

#[test]
fn deletions_that_look_like_lost_input_wait_for_an_approval() {
    let fleet = Fleet::start(&[]);
    let mut control_plane = fleet.control_plane(&[]);
    let lost: Vec<_> = (0..12).map(|n| format!("lost{n}.default.fed.svc")).collect();
    eventually("the federation is there", || fleet.dns(&["audit"]), |(code, ..)| *code == Some(0));
    control_plane.signal("KILL");
    control_plane.wait().unwrap();
    let lose = || lost.iter().for_each(|name| drop(fleet.put(ours("lost", bare("A", name, &["192.0.2.9"])))));
    lose();
    let control_plane = fleet.control_plane(&[]);
    let audit = fleet.json(&["audit"]).1;
    let left = audit["summary"]["orphaned"].as_u64().unwrap();
    assert_eq!(left, 12);
    let (code, plan) = fleet.json(&["plan"]);
    assert_eq!((code, &plan["changes"], &plan["held"]["names"]), (Some(1), &json!([]), &json!(left)));
    let hash = plan["held"]["hash"].as_str().unwrap().to_owned();
    let (code, _, said) = fleet.dns(&["gc", "--yes"]);
    assert!(code == Some(1) && said.contains(&format!("--approve {hash}")), "{said}");
    let (code, _, said) = fleet.kfed(&["approve", "deadbeef", "--yes"], false);
    assert!(code == Some(1) && said.contains("does not wait for approval"), "{said}");
    let approve = || fleet.kfed(&["approve", &hash[..8], "--yes"], false);
    let (_, said, _) = eventually("it is approved", approve, |(code, ..)| *code == Some(0));
    assert!(said.starts_with(&format!("{hash} approved for an hour: {left} of {left} names")), "{said}");
    fleet.audited("all are gone", |audit| audit["clean"] == true && audit["sets"] == json!([]));

    // And by gc, where no control plane does it.
    drop(control_plane);
    lose();
    let (code, _, said) = fleet.dns(&["gc", "--yes"]);
    assert!(code == Some(1) && said.contains("12 of 12 names would go without a cause"), "{said}");
    let hash = said.split("--approve ").nth(1).unwrap().split_whitespace().next().unwrap();
    let (code, said, _) = fleet.dns(&["gc", "--yes", "--approve", hash]);
    assert!(code == Some(0) && said.contains("12 record sets written or removed"), "{said}");
    assert_eq!(fleet.get(&bare("A", &lost[0], &[]).key), None);
}

#[test]
fn wrong_usage_is_told_with_what_would_be_right() {
    let cases: [(&[&str], i32, &str); 8] = [
        (&["plan", "-f", "x", "--context", "y"], 2, "cannot be used with"),
        (&["adopt"], 2, "NAME"),
        (&["adopt", "shop.example.com", "MX2"], 2, "it is A, AAAA or CNAME"),
        (&["adopt", "shop.example.com", "--v1-leftovers"], 2, "cannot be used with"),
        (&["list", "--kubeconfig", "/nowhere"], 1, "--federation-name and --dns-zone-name"),
        (&["audit", "--kubeconfig", "/nowhere"], 2, "the federation API is to tell"),
        (&["plan", "--kubeconfig", "/nowhere"], 2, "the federation API is to tell"),
        (
            &["list", "--federation-name", "fed", "--zone", "example.com", "--dns-provider", "memory"],
            1,
            "nobody else can read it",
        ),
    ];
    for (args, code, says) in cases {
        let (ended, said) = refused(args);
        assert!(ended == Some(code) && said.contains(says), "{args:?}: {ended:?} {said}");
    }
    assert!(RecordType::parse("mx2").is_none());

    let fleet = Fleet::start(&[]);
    let (code, _, said) = fleet.dns(&["audit"]);
    assert!(code == Some(2) && said.contains("did not list its Federation"), "{said}");
    let _control_plane = fleet.control_plane(&[]);
    eventually("the federation is there", || fleet.dns(&["audit"]), |(code, ..)| *code == Some(0));
    let (code, _, said) = fleet.dns(&["gc", "--federation-name", "other"]);
    assert!(code == Some(1) && said.contains("--federation-name says `other`, and federation fed"), "{said}");
    let (code, _, said) = fleet.dns(&["audit", "--dns-zone-name", "example.org"]);
    assert!(code == Some(2) && said.contains("--dns-zone-name says `example.org`"), "{said}");
    let (code, _, said) = fleet.dns(&["adopt", "www.example.org"]);
    assert!(code == Some(1) && said.contains("it is not in the zone"), "{said}");
}
