//! What may have been meant by a word that is not known.

/// The one of `known` that `word` may be a slip of: at most a third of its letters are wrong, or it is the beginning.
///
/// ```
/// use kfed_api::policy::nearest;
///
/// assert_eq!(nearest("wieght", ["minReplicas", "weight"]), Some("weight"));
/// assert_eq!(nearest("priority", ["minReplicas", "weight"]), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let letters = word.chars().count();
    let wrong = |known: &str| {
        let known = known.to_lowercase();
        let wrong = distance(&word, &known);
        let is_like = wrong <= 3 && wrong * 3 <= letters.max(3);
        (is_like || (letters > 3 && known.starts_with(&word))).then_some((wrong, known.len().abs_diff(word.len())))
    };
    let found = known.into_iter().filter_map(|known| Some((wrong(known)?, known))).min();
    found.map(|(_, known)| known)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant_and_another_word_does_not() {
        let known = ["minReplicas", "maxReplicas", "weight"];
        for (word, meant) in [
            ("minReplica", Some("minReplicas")),
            ("wieght", Some("weight")),
            ("WEIGTH", Some("weight")),
            ("maxreplcas", Some("maxReplicas")),
            ("height", Some("weight")),
            ("priority", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest("weight", []), None);
        let keys = ["key", "replicas", "mode", "preferences", "clusters", "maxMoves", "maxClusters"];
        for (word, meant) in [
            ("kye", Some("key")),
            ("Clusters", Some("clusters")),
            ("max-moves", Some("maxMoves")),
            ("prefer", Some("preferences")),
            ("weight", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
