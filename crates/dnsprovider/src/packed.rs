//! Texts one behind the other in one piece of memory, each after its length. A zone holds several for each of its hundred thousand
//! sets, and every piece of memory of its own is another wait for whoever reads it.

/// How many bits of a length one character holds; the next one above says that more follow.
const BITS: u32 = 6;
const MORE: u8 = 1 << BITS;

/// The texts that [`push`] has written; of what it has not written, whatever there is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Texts<'a>(pub(crate) &'a str);

/// Writes `text` behind what is there.
pub(crate) fn push(to: &mut String, text: &str) {
    push_length(to, text.len());
    to.push_str(text);
}

/// The same with what `write` writes.
pub(crate) fn push_with(to: &mut String, write: impl FnOnce(&mut String)) {
    let start = to.len();
    write(to);
    let mut length = to.len() - start;
    to.insert(start, low_bits(length));
    while length >= usize::from(MORE) {
        length >>= BITS;
        to.insert(start, more(length));
    }
}

/// Most significant bits first. Every character is ASCII, so the whole stays a text.
fn push_length(to: &mut String, length: usize) {
    if length >= usize::from(MORE) {
        let higher = (1..usize::BITS.div_ceil(BITS)).rev().map(|n| length >> (n * BITS));
        to.extend(higher.skip_while(|bits| *bits == 0).map(more));
    }
    to.push(low_bits(length));
}

fn low_bits(length: usize) -> char {
    char::from((length % usize::from(MORE)) as u8)
}

fn more(length: usize) -> char {
    char::from((length % usize::from(MORE)) as u8 | MORE)
}

// === impl Texts ===

impl<'a> Iterator for Texts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (mut length, mut at) = (0, 0);
        loop {
            let byte = *self.0.as_bytes().get(at)?;
            at += 1;
            length = length << BITS | usize::from(byte % MORE);
            if byte < MORE {
                break;
            }
        }
        let (text, rest) = self.0[at..].split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_read_as_they_were_written(texts in proptest::collection::vec("(?s).{0,100}", 0..5)) {
            let (mut pushed, mut written) = (String::new(), String::new());
            for text in &texts {
                push(&mut pushed, text);
                push_with(&mut written, |to| to.push_str(text));
            }
            prop_assert_eq!(&pushed, &written);
            prop_assert_eq!(Texts(&pushed).collect::<Vec<_>>(), texts);
        }
    }

    #[test]
    fn lengths_of_every_size_are_read_as_they_were_written() {
        for length in [0, 1, 63, 64, 65, 4095, 4096, 300_000] {
            let (text, mut packed) = ("x".repeat(length), String::new());
            push(&mut packed, &text);
            push(&mut packed, "next");
            assert_eq!(Texts(&packed).collect::<Vec<_>>(), [&*text, "next"], "{length}");
        }
    }
}
