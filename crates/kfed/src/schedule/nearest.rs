//! What somebody may have meant.

/// The name that is most like `word`, if any is like it at all.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = |name: &str| (distance(&word, &name.to_lowercase()), name.len().abs_diff(word.len()));
    let letters = word.chars().count();
    let is_like =
        |far: usize, name: &str| far <= (letters / 3).max(1) || (letters > 3 && name.to_lowercase().starts_with(&word));
    let found = names.into_iter().map(|name| (far(name), name)).filter(|((far, _), name)| is_like(*far, name));
    found.min().map(|(_, name)| name)
}

/// How many letters must be put in, taken out, replaced or swapped with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            next[j + 1] = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                next[j + 1] = next[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_a_stranger_none() {
        let names = ["key", "replicas", "mode", "preferences", "clusters", "maxMoves", "maxClusters"];
        for (word, meant) in [
            ("replcas", Some("replicas")),
            ("perferences", Some("preferences")),
            ("Clusters", Some("clusters")),
            ("cluster", Some("clusters")),
            ("max-moves", Some("maxMoves")),
            ("kye", Some("key")),
            ("prefer", Some("preferences")),
            ("weight", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), meant, "{word}");
        }
    }
}
