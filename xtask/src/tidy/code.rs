//! Takes Rust source apart into code and comments, so that a word in a string or in a comment is not taken for code.

/// The same text twice, line for line and byte for byte: once with comments, strings and characters blanked, once with
/// everything but the comments blanked.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) code: String,
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    Literal,
}

impl Code {
    pub(crate) fn of(source: &str) -> Self {
        let mut code = String::with_capacity(source.len());
        let mut comments = String::with_capacity(source.len());
        let mut rest = source;
        while !rest.is_empty() {
            let before = code.chars().next_back();
            let (part, length) = next_part(rest, before);
            let (now, after) = rest.split_at(length);
            keep(&mut code, now, part == Part::Code);
            keep(&mut comments, now, part == Part::Comment);
            rest = after;
        }
        Self { code, comments }
    }

    /// The code without the items under `#[cfg(test)]`.
    pub(crate) fn without_tests(&self) -> String {
        const TEST: &str = "#[cfg(test)]";
        let mut result = String::with_capacity(self.code.len());
        let mut rest = self.code.as_str();
        while let Some(start) = rest.find(TEST) {
            result.push_str(&rest[..start]);
            let end = start + TEST.len() + end_of_item(&rest[start + TEST.len()..]);
            keep(&mut result, &rest[start..end], false);
            rest = &rest[end..];
        }
        result + rest
    }
}

/// Appends the text, or as many spaces, so that lines stay where they are.
fn keep(to: &mut String, text: &str, as_it_is: bool) {
    if as_it_is {
        to.push_str(text);
    } else {
        to.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    }
}

/// What stands at the beginning of `rest`, and its length in bytes; `before` is the code character in front of it.
fn next_part(rest: &str, before: Option<char>) -> (Part, usize) {
    if rest.starts_with("//") {
        return (Part::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Part::Comment, block_comment(rest));
    }
    let in_identifier = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let prefixed = if in_identifier { rest } else { rest.trim_start_matches(['b', 'c']) };
    let prefix = rest.len() - prefixed.len();
    if prefix <= 1 {
        if prefixed.starts_with('"') {
            return (Part::Literal, prefix + quoted(prefixed, '"'));
        }
        if !in_identifier && let Some(length) = raw_string(prefixed) {
            return (Part::Literal, prefix + length);
        }
        if let Some(length) = character(prefixed) {
            return (Part::Literal, prefix + length);
        }
    }
    (Part::Code, rest.chars().next().map_or(0, char::len_utf8))
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, …; `r#name` is an identifier.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let body = after.trim_start_matches('#');
    let hashes = after.len() - body.len();
    let body = body.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

/// `'x'` and `'\n'`, but not the lifetime `'x`.
fn character(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('\'')?;
    if after.starts_with('\\') {
        return Some(quoted(rest, '\''));
    }
    let inside = after.chars().next()?.len_utf8();
    after[inside..].starts_with('\'').then_some(inside + 2)
}

/// Where the item after an attribute ends: at its closing brace, or at a semicolon before any brace.
fn end_of_item(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_characters_and_comments_are_no_code() {
        let cases = [
            ("let a = \"todo!(\";", "let a =         ;"),
            ("let a = b\"x\\\"y\"; b", "let a =        ; b"),
            ("r#\"a \"quoted\" b\"# c", "                  c"),
            ("cr\"x\" c", "      c"),
            ("r#type + 1", "r#type + 1"),
            ("'\"' + '\\'' + x", "    +      + x"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("a // b \"c\nd", "a        \nd"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("number\"x\"", "number   "),
            ("\"unterminated", "             "),
            ("'é' x", "    x"),
        ];
        for (source, code) in cases {
            assert_eq!(Code::of(source).code, code, "{source}");
        }
    }

    #[test]
    fn comments_stand_where_they_stood() {
        assert_eq!(Code::of("a; // one \"x\"\nb;").comments, "   // one \"x\"\n  ");
    }

    #[test]
    fn what_only_tests_compile_can_be_left_out() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { [1]; }\n}\n#[cfg(test)]\nuse x;\nfn c() {}\n";
        let kept = Code::of(source).without_tests();
        assert_eq!(kept.split_whitespace().collect::<Vec<_>>().join(" "), "fn a() {} fn c() {}");
        assert_eq!(kept.lines().count(), source.lines().count());
    }
}
