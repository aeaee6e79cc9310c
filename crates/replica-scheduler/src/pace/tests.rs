use proptest::prelude::*;

use super::*;
use crate::proportional::cases::config;

#[test]
fn moves_are_capped_and_the_rest_is_postponed() {
    type Row = (&'static str, &'static [i64], &'static [i64], u32, &'static [i64], i64);
    let table: [Row; 7] = [
        ("a failover in steps", &[6, 0, 0], &[0, 3, 3], 2, &[4, 1, 1], 4),
        ("within the cap", &[6, 0], &[4, 2], 2, &[4, 2], 0),
        ("a scale-up is free", &[1, 1], &[5, 5], 0, &[5, 5], 0),
        ("a scale-down is free", &[5, 5], &[1, 1], 0, &[1, 1], 0),
        ("growing while moving: 4 new ones at once, no move", &[6, 0], &[2, 8], 0, &[6, 4], 4),
        ("shrinking while moving: 4 go at once, no move", &[8, 0], &[2, 2], 0, &[4, 0], 2),
        ("the widest gap closes first", &[9, 3, 0], &[0, 0, 12], 6, &[3, 3, 6], 6),
    ];
    for (what, current, target, most, numbers, postponed) in table {
        assert_eq!(pace(current, target, Some(most)), Paced { numbers: numbers.to_vec(), postponed }, "{what}");
    }
}

#[test]
fn without_a_cap_everything_moves_at_once() {
    assert_eq!(pace(&[9, 0], &[0, 9], None), Paced { numbers: vec![0, 9], postponed: 0 });
}

fn members(count: i64) -> impl Strategy<Value = Vec<(i64, i64)>> {
    let number = move || prop_oneof![1 => Just(0), 2 => 0..=count];
    proptest::collection::vec((number(), number()), 0..8)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_round_keeps_to_its_cap_and_to_the_total(members in prop_oneof![members(12), members(1 << 38)], most in 0..20u32) {
        let (current, target): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let paced = pace(&current, &target, Some(most));
        let sum = |numbers: &[i64]| numbers.iter().sum::<i64>();
        prop_assert_eq!(sum(&paced.numbers), sum(&target));
        let left: i64 = current.iter().zip(&paced.numbers).map(|(from, to)| (from - to).max(0)).sum();
        let shrunk = (sum(&current) - sum(&target)).max(0);
        prop_assert!(left - shrunk <= i64::from(most));
        // Nothing is postponed that the cap allows.
        prop_assert!(paced.postponed == 0 || left - shrunk == i64::from(most));
        let leaves: i64 = current.iter().zip(&target).map(|(from, to)| (from - to).max(0)).sum();
        prop_assert_eq!(paced.postponed, leaves - left);
        for ((from, to), now) in current.iter().zip(&target).zip(&paced.numbers) {
            prop_assert!(from.min(to) <= now && now <= from.max(to), "never away from the target, nor past it");
        }
    }

    #[test]
    fn rounds_converge_in_as_many_as_it_takes(members in members(30), most in 1..20u32) {
        let (mut current, target): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let first = pace(&current, &target, Some(0)).postponed;
        let mut rounds = 0;
        let mut left = first;
        loop {
            let paced = pace(&current, &target, Some(most));
            rounds += 1;
            prop_assert_eq!(paced.postponed, (left - i64::from(most)).max(0));
            left = paced.postponed;
            current = paced.numbers;
            if left == 0 {
                break;
            }
        }
        prop_assert_eq!(rounds, first.div_euclid(i64::from(most)) + i64::from(first % i64::from(most) != 0) + i64::from(first == 0));
        prop_assert_eq!(current, target);
    }
}
