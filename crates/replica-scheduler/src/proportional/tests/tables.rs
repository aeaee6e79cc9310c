//! What users of other planners asked for, and did not get.

use super::super::{Slot, SpreadRule, UNLIMITED, divide};

const FREE: Slot = Slot { weight: 1, min: 0, max: UNLIMITED, current: 0, rank: 0, group: 0 };

/// Slots ranked in their order.
fn slots<const N: usize>(slots: [Slot; N]) -> [Slot; N] {
    let mut rank = 0;
    slots.map(|slot| {
        rank += 1;
        Slot { rank, ..slot }
    })
}

fn weights<const N: usize>(weights: [i64; N]) -> [Slot; N] {
    slots(weights.map(|weight| Slot { weight, ..FREE }))
}

fn zones(max_skew: i64, domain_of: &[u32]) -> [SpreadRule; 1] {
    [SpreadRule { max_skew, min_domains: 1, domain_of: domain_of.to_vec() }]
}

#[test]
fn minimums_count_toward_the_share_of_the_weight() {
    // kubernetes-retired/kubefed#319: 3 and 7 there, as only what minimums leave was weighted.
    let slots = slots([Slot { weight: 2, min: 2, max: 6, ..FREE }, Slot { weight: 3, min: 4, max: 8, ..FREE }]);
    assert_eq!(divide(10, &slots, true, &[]).numbers, [4, 6]);
}

#[test]
fn two_replicas_of_two_to_one_are_one_each() {
    // karmada-io/karmada#6424: 2 and 0 there.
    assert_eq!(divide(2, &weights([2, 1]), true, &[]).numbers, [1, 1]);
    assert_eq!(divide(3, &weights([2, 1]), true, &[]).numbers, [2, 1]);
}

#[test]
fn a_light_cluster_has_its_minimum() {
    // karmada-io/karmada#6511 and #6520: no minimum there, and none for whom the weight is too low.
    assert_eq!(divide(10, &weights([50, 1]), true, &[]).numbers, [10, 0]);
    let slots = slots([Slot { weight: 50, min: 2, ..FREE }, Slot { weight: 1, min: 2, ..FREE }]);
    assert_eq!(divide(10, &slots, true, &[]).numbers, [8, 2]);
    // Fewer than all minimums: by weight again.
    assert_eq!(divide(3, &slots, true, &[]).numbers, [2, 1]);
    assert_eq!(divide(1, &slots, true, &[]).numbers, [1, 0]);
}

#[test]
fn scaling_up_never_stops_a_replica_anywhere() {
    // karmada-io/karmada#6735, with its weights: there the lightest had 1 of 5 and then 0 or 1 in turns.
    let weights = weights([170, 110, 60]);
    let table = [
        (1, [1, 0, 0]),
        (2, [1, 1, 0]),
        (3, [1, 1, 1]),
        (4, [2, 1, 1]),
        (5, [2, 2, 1]),
        (6, [3, 2, 1]),
        (7, [4, 2, 1]),
        (8, [4, 3, 1]),
        (34, [17, 11, 6]),
    ];
    for (replicas, numbers) in table {
        assert_eq!(divide(replicas, &weights, true, &[]).numbers, numbers, "{replicas}");
    }
}

#[test]
fn the_rest_is_even_over_equals() {
    // karmada-io/karmada#4220 and #4805.
    assert_eq!(divide(6, &weights([1, 1, 1, 1]), true, &[]).numbers, [2, 2, 1, 1]);
    assert_eq!(divide(6, &weights([2, 1, 1, 1]), true, &[]).numbers, [3, 1, 1, 1]);
}

#[test]
fn scaling_down_without_rebalance_takes_from_the_fullest() {
    // kubernetes/kubernetes#31816: 0 and 20 there.
    let slots = slots([Slot { current: 10, ..FREE }, Slot { current: 70, ..FREE }]);
    assert_eq!(divide(20, &slots, false, &[]).numbers, [10, 10]);
    assert_eq!(divide(60, &slots, false, &[]).numbers, [10, 50]);
}

#[test]
fn what_a_full_cluster_cannot_take_goes_by_weight_to_the_others() {
    let slots = slots([Slot { max: 3, ..FREE }, Slot { weight: 2, ..FREE }, FREE]);
    let division = divide(12, &slots, true, &[]);
    assert_eq!((division.numbers, division.unplaced), (vec![3, 6, 3], 0));
}

#[test]
fn what_no_cluster_can_take_is_said() {
    let slots = slots([Slot { max: 3, ..FREE }, Slot { weight: 0, min: 1, ..FREE }]);
    let division = divide(12, &slots, true, &[]);
    assert_eq!((division.numbers, division.unplaced), (vec![3, 1], 8));
}

#[test]
fn a_weight_of_zero_keeps_what_runs_only_without_rebalance() {
    let slots = slots([Slot { weight: 0, min: 1, current: 4, ..FREE }, FREE]);
    assert_eq!(divide(6, &slots, true, &[]).numbers, [1, 5]);
    assert_eq!(divide(6, &slots, false, &[]).numbers, [4, 2]);
}

#[test]
fn a_backup_takes_what_the_primary_cannot_and_gives_it_back() {
    let primary = |max, current| Slot { max, current, ..FREE };
    let backup = |current| Slot { min: 1, current, group: 1, ..FREE };
    let burst = |current| Slot { current, group: 2, max: 2, ..FREE };
    for rebalance in [true, false] {
        let normal = slots([primary(10, 0), backup(0), burst(0)]);
        assert_eq!(divide(8, &normal, rebalance, &[]).numbers, [7, 1, 0], "a warm standby");
        let lost = slots([primary(0, 7), backup(1), burst(0)]);
        assert_eq!(divide(8, &lost, rebalance, &[]).numbers, [0, 8, 0], "failed over");
        let back = slots([primary(10, 0), backup(8), burst(0)]);
        assert_eq!(divide(8, &back, rebalance, &[]).numbers, [7, 1, 0], "and back");
    }
}

#[test]
fn zones_stay_within_the_skew_whatever_the_weights() {
    let slots = weights([8, 1, 1]);
    assert_eq!(divide(10, &slots, true, &[]).numbers, [8, 1, 1]);
    assert_eq!(divide(10, &slots, true, &zones(1, &[0, 1, 2])).numbers, [4, 3, 3]);
    assert_eq!(divide(10, &slots, true, &zones(3, &[0, 1, 2])).numbers, [5, 3, 2]);
    // The two of a zone count together.
    assert_eq!(divide(10, &slots, true, &zones(2, &[0, 0, 1])).numbers, [5, 1, 4]);
}

#[test]
fn a_zone_that_is_full_holds_the_others_back() {
    let slots = slots([FREE, FREE, Slot { max: 1, ..FREE }]);
    let division = divide(10, &slots, true, &zones(2, &[0, 1, 2]));
    assert_eq!((division.numbers, division.unplaced), (vec![3, 3, 1], 3));
}

#[test]
fn too_few_zones_hold_no_more_than_the_skew_each() {
    let rule = |min_domains| [SpreadRule { max_skew: 2, min_domains, domain_of: vec![0, 1] }];
    assert_eq!(divide(10, &weights([1, 1]), true, &rule(2)).unplaced, 0);
    let division = divide(10, &weights([1, 1]), true, &rule(3));
    assert_eq!((division.numbers, division.unplaced), (vec![2, 2], 6));
}

#[test]
fn a_minimum_wins_over_the_skew() {
    let slots = slots([Slot { min: 5, ..FREE }, FREE]);
    assert_eq!(divide(6, &slots, true, &zones(1, &[0, 1])).numbers, [5, 1]);
    assert_eq!(divide(11, &slots, true, &zones(1, &[0, 1])).numbers, [6, 5]);
}

#[test]
fn only_what_breaks_the_skew_moves_without_rebalance() {
    let slots = slots([Slot { current: 7, ..FREE }, Slot { current: 3, ..FREE }, Slot { current: 2, ..FREE }]);
    assert_eq!(divide(12, &slots, false, &zones(5, &[0, 1, 2])).numbers, [7, 3, 2]);
    assert_eq!(divide(12, &slots, false, &zones(4, &[0, 1, 2])).numbers, [6, 3, 3]);
    assert_eq!(divide(12, &slots, true, &zones(5, &[0, 1, 2])).numbers, [4, 4, 4]);
}

#[test]
fn nothing_is_divided_over_nobody() {
    let division = divide(5, &[], true, &zones(1, &[]));
    assert_eq!((division.numbers, division.unplaced), (vec![], 5));
    assert_eq!(divide(-5, &weights([1]), true, &[]).numbers, [0]);
}
