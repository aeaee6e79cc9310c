//! What somebody may have meant.

use kfed_api::policy::nearest;

/// How many of many names are told.
const SHOWN: usize = 12;

/// What to write for a word that is none of `known`: the one that was likely meant, or what there is.
pub(crate) fn or_rather<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    match (nearest(word, known.iter().copied()), known.as_slice()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, []) => "there are none".to_owned(),
        (None, known) if known.len() <= SHOWN => format!("there are {}", known.join(", ")),
        (None, known) => format!("there are {} and {} more", known[..SHOWN].join(", "), known.len() - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_what_was_meant_and_a_stranger_what_there_is() {
        assert_eq!(or_rather("capcity", ["name", "capacity"]), "did you mean `capacity`?");
        assert_eq!(or_rather("colour", ["name", "capacity"]), "there are name, capacity");
        assert_eq!(or_rather("x", []), "there are none");
        let many: Vec<String> = (0..20).map(|n| format!("member-{n}")).collect();
        let told = or_rather("paris", many.iter().map(String::as_str));
        assert!(told.ends_with("member-10, member-11 and 8 more"), "{told}");
    }
}
