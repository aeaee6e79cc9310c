use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pod(name: &str, uid: u64, revision: u64, app: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": "default", "uid": uid.to_string(), "resourceVersion": revision.to_string(),
            "labels": { "app": app },
        },
    }))
    .unwrap()
}

fn service(app: &str) -> Service {
    serde_json::from_value(json!({
        "metadata": { "name": "web", "namespace": "default", "uid": "s", "resourceVersion": "1" },
        "spec": { "selector": { "app": app } },
    }))
    .unwrap()
}

fn now() -> Instant {
    Instant::now()
}

#[test]
fn what_the_watch_tells_late_does_not_undo_what_we_know() {
    let mut world = World::default();
    let key = Key::new("default", "a");
    let revision = |world: &World| world.pods.get(&Key::new("default", "a")).map(|pod| pod.resource_version().unwrap());
    world.apply(pod("a", 1, 5, "web"), now());
    world.apply(pod("a", 1, 4, "web"), now());
    assert_eq!(revision(&world).as_deref(), Some("5"));

    world.forget::<Pod>(&key, "1", now());
    world.apply(pod("a", 1, 6, "web"), now());
    assert_eq!(revision(&world), None, "deleted by us, whatever happened before");
    world.apply(pod("a", 2, 9, "web"), now());
    world.deleted(&pod("a", 1, 8, "web"), now());
    assert_eq!(revision(&world).as_deref(), Some("9"), "another of that name");
}

#[test]
fn an_echo_of_our_own_write_makes_nothing_due() {
    let mut world = World::default();
    world.apply(pod("a", 1, 5, "web"), now());
    world.due = Due::default();
    world.apply(pod("a", 1, 5, "web"), now());
    assert!(world.due.is_empty());
}

#[test]
fn a_pod_makes_the_services_due_that_select_it_now_or_did_before() {
    let mut world = World::default();
    world.apply(service("web"), now());
    for (app, due) in [("web", true), ("web", true), ("other", true), ("other", false), ("web", true)] {
        world.due = Due::default();
        let revision =
            world.pods.values().next().map_or(1, |pod| pod.resource_version().unwrap().parse::<u64>().unwrap() + 1);
        world.apply(pod("a", 1, revision, app), now());
        assert_eq!(!world.due.services.is_empty(), due, "{app}");
    }
}

#[test]
fn a_new_list_replaces_everything() {
    let mut world = World::default();
    for name in ["a", "b"] {
        world.apply(pod(name, 1, 5, "web"), now());
    }
    world.reset(vec![pod("b", 1, 7, "web"), pod("c", 1, 8, "other")], now());
    let names: Vec<String> = world.pods.values().map(|pod| pod.name_any()).collect();
    assert_eq!(names, ["b", "c"]);
    let selector = [("app".to_owned(), "web".to_owned())].into();
    assert_eq!(world.pods_selected("default", &selector).len(), 1);
}

/// One change of the one object of the property below, and whether it was ours.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write {
        ours: bool,
    },
    Delete {
        ours: bool,
    },
    /// The watch tells the oldest change that it has not told yet.
    Tell,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<bool>().prop_map(|ours| Step::Write { ours }),
        1 => any::<bool>().prop_map(|ours| Step::Delete { ours }),
        3 => Just(Step::Tell),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However late the watch is, what we deleted stays away, and in the end the cache holds what the server holds.
    #[test]
    fn the_cache_comes_to_hold_what_the_server_holds(steps in steps()) {
        let key = Key::new("default", "a");
        let (mut world, mut server, mut revision, mut uid) = (World::default(), None::<Pod>, 0, 0);
        let (mut untold, mut ours_gone) = (std::collections::VecDeque::new(), BTreeSet::new());
        let tell = |world: &mut World, (present, pod): (bool, Pod)| {
            if present { world.apply(pod, now()) } else { world.deleted(&pod, now()) }
        };
        for step in steps {
            match step {
                Step::Write { ours } => {
                    revision += 1;
                    if server.is_none() {
                        uid += 1;
                    }
                    let state = pod("a", uid, revision, "web");
                    server = Some(state.clone());
                    untold.push_back((true, state.clone()));
                    if ours {
                        world.apply(state, now());
                    }
                }
                Step::Delete { ours } => {
                    if server.take().is_none() {
                        continue;
                    }
                    revision += 1;
                    untold.push_back((false, pod("a", uid, revision, "web")));
                    // We delete only what we know.
                    let known = world.pods.get(&key).is_some_and(|pod| pod.uid() == Some(uid.to_string()));
                    if ours && known {
                        world.forget::<Pod>(&key, &uid.to_string(), now());
                        ours_gone.insert(uid.to_string());
                    }
                }
                Step::Tell => {
                    if let Some(told) = untold.pop_front() {
                        tell(&mut world, told);
                    }
                }
            }
            let known = world.pods.get(&key).and_then(|pod| pod.uid());
            prop_assert!(known.is_none_or(|uid| !ours_gone.contains(&uid)));
        }
        for told in untold {
            tell(&mut world, told);
        }
        prop_assert_eq!(world.pods.get(&key).map(|pod| pod.resource_version()), server.map(|pod| pod.resource_version()));
    }
}
