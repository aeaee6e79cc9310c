//! Comparing names. Most are of 8 to 16 bytes, which two overlapping words hold.

/// Whether both are the same.
pub(super) fn equal(a: &str, b: &str) -> bool {
    match (words(a), words(b)) {
        (Some(a_words), Some(b_words)) => a.len() == b.len() && a_words == b_words,
        _ => a == b,
    }
}

/// Whether `a` comes before `b`.
pub(super) fn below(a: &str, b: &str) -> bool {
    match (words(a), words(b)) {
        // Of names of one length the last words begin at one place, and what they share with the first words is equal if
        // those are.
        (Some(a_words), Some(b_words)) if a.len() == b.len() => a_words < b_words,
        _ => a < b,
    }
}

/// The first and the last 8 bytes of a name that these cover.
fn words(name: &str) -> Option<(u64, u64)> {
    let bytes = name.as_bytes();
    if bytes.len() > 16 {
        return None;
    }
    Some((u64::from_be_bytes(*bytes.first_chunk()?), u64::from_be_bytes(*bytes.last_chunk()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_compare_as_strings_do(prefix in "[a-b]{0,14}", a in "[a-cé]{0,8}", b in "[a-cé]{0,8}") {
            let (a, b) = (format!("{prefix}{a}"), format!("{prefix}{b}"));
            prop_assert_eq!(equal(&a, &b), a == b);
            prop_assert_eq!(below(&a, &b), a < b);
            prop_assert!(equal(&a, &a.clone()));
        }
    }
}
