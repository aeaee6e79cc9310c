use serde_json::{Value as Json, json};

use super::{Node, Reader, Value, json as scanner};

#[test]
fn json_is_read_as_serde_json_reads_it_and_refused_as_it_refuses() {
    fn value(node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => json!(value),
            Value::Int(number) => json!(number),
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(text),
            Value::List(items) => items.iter().map(value).collect(),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), value(&entry.node))).collect())
            }
        }
    }
    for text in [
        "null",
        " true ",
        "-0",
        "1e3",
        "1.5",
        "01",
        "+1",
        "1.",
        ".5",
        "NaN",
        "tru",
        "''",
        r#""a\"b\\""#,
        r#""\u00e9\ud83d\ude00""#,
        r#""\ud83d""#,
        "\"\t\"",
        "\"a",
        "[]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{}",
        r#"{"a": [1, {"b": null}], "c": "é"}"#,
        r#"{"a" 1}"#,
        r#"{"a": 1,}"#,
        r#"{"a": 1 "b": 2}"#,
        "{a: 1}",
        "[1",
        "{",
        "-9223372036854775808",
        "9223372036854775807",
        "// c\n1",
    ] {
        let expected = serde_json::from_str::<Json>(text).ok();
        let read = scanner::read(0, text).ok().map(|values| value(&values[0]));
        assert_eq!(read, expected, "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(scanner::read(0, &deep).unwrap_err().message.contains("deep"));
}

/// The only document in a text, and what is said about it.
fn read(name: &str, text: &str) -> (Option<Node>, Reader) {
    let mut reader = Reader::default();
    let documents = reader.parse(name, text.as_bytes().to_vec());
    let mut first = documents.and_then(|documents| documents.into_iter().next());
    first.iter_mut().for_each(|document| reader.each_key_once(document));
    (first, reader)
}

#[test]
fn values_and_keys_know_where_they_stand() {
    for (name, text) in [
        ("f.yaml", "a: 1\nlong: [x, {deep: true}]\n"),
        ("f.json", "\u{feff}{\"a\": 1,\r\n\t\"long\": [\"x\", {\"deep\": true}]}"),
    ] {
        let (root, reader) = read(name, text);
        let root = root.unwrap();
        let at = |span| reader.sources.slice(span).trim_matches('"');
        assert_eq!(at(root.entries()[1].span), "long");
        let Value::List(items) = &root.get("long").unwrap().value else { panic!("{root:?}") };
        assert_eq!(at(items[0].span), "x");
        let deep = &items[1].entries()[0];
        assert_eq!((at(deep.span), at(deep.node.span)), ("deep", "true"));
        let line = if name == "f.json" { "f.json:2:17" } else { "f.yaml:2:12" };
        assert_eq!(reader.sources.place(deep.span), line);
    }
}

#[test]
fn every_key_that_stands_twice_is_told_and_the_last_one_counts() {
    for (name, text) in [
        ("f.yaml", "a: 1\nb: {c: 1, c: 2, c: 3}\na: 2\n"),
        ("f.json", "{\"a\": 1,\n\"b\": {\"c\": 1, \"c\": 2, \"c\": 3},\n\"a\": 2}"),
    ] {
        let (root, reader) = read(name, text);
        let root = root.unwrap();
        assert_eq!(root.get("a").unwrap().value, Value::Int(2));
        assert_eq!(root.at(&["b", "c"]).unwrap().value, Value::Int(3));
        let told = reader.told();
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[0].contains(":2:") && told[0].ends_with("`c` stands here a second time; it is in line 2 already"));
        assert!(told[2].contains(":3:1: `a` stands here a second time; it is in line 1 already"), "{told:#?}");
    }
}

#[test]
fn yaml_merges_and_aliases_are_read_as_what_they_stand_for() {
    let (root, reader) = read("f.yaml", "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}\nsame: *base\n");
    assert_eq!(reader.told(), Vec::<String>::new());
    let root = root.unwrap();
    assert_eq!(
        (&root.at(&["more", "a"]).unwrap().value, &root.at(&["more", "b"]).unwrap().value),
        (&Value::Int(1), &Value::Int(3))
    );
    assert_eq!(root.at(&["same", "b"]).unwrap().value, Value::Int(2));
}

#[test]
fn what_cannot_be_read_is_told_as_what_it_was_meant_to_be() {
    for (name, text, says) in [
        ("f.yaml", "a: [1\nb: 2\n", "error f.yaml:2:"),
        ("stdin", "{\"a\": 1,\n \"b\": [2, }", "error stdin:2:11: this is no JSON: a value belongs here"),
        ("stdin", "{a: 1,\n b: [2, }", "error stdin:2:"),
        ("f.yaml", "a:\n\tb: 1\n", "YAML is indented with spaces, never with tabs"),
        ("f.yaml", "a: *b\n", "this is no YAML: alias references unknown anchor"),
    ] {
        let (root, reader) = read(name, text);
        let told = reader.told();
        assert!(root.is_none() && told.len() == 1 && told[0].contains(says), "{text}: {told:#?}");
    }
    let meant = read("stdin", "{a: 1,\n b: [2, }").1.told();
    assert!(meant[0].contains("no YAML"), "{meant:?}");
}

#[test]
fn what_lies_too_deep_is_refused_before_the_stack_ends() {
    let read_deep = || {
        for text in ["[".repeat(100_000), "a: ".to_owned() + &"[".repeat(100_000), "- ".repeat(100_000)] {
            let told = read("f.yaml", &text).1.told();
            assert!(told[0].contains("more than 64 deep in each other"), "{told:?}");
        }
    };
    // As much as the program's main thread has: an unoptimized reader takes more than tests are given.
    std::thread::Builder::new().stack_size(8 << 20).spawn(read_deep).unwrap().join().unwrap();
}

#[test]
fn values_of_a_kind_are_read_and_what_is_none_is_told() {
    let (root, mut reader) = read(
        "f.yaml",
        "{zone: 01, flag: no, n: 7, quoted: '7', half: 1.5, vast: 99999999999999999999, word: gren, '': null}",
    );
    let root = root.unwrap();
    let fields = reader.fields(&root, "it", &["zone", "flag", "n", "quoted", "half", "vast", "word", ""]).unwrap();
    let get = |key| fields.get(key).unwrap();
    assert_eq!(reader.text(get("zone"), "a zone").as_deref(), Some("01"));
    assert_eq!(reader.text(get("flag"), "a name").as_deref(), Some("no"), "as it is written");
    assert_eq!((reader.boolean(get("flag")), reader.number_in(get("n"), 1..=7)), (Some(false), Some(7)));
    assert!(fields.get("").is_none() && reader.told().is_empty(), "{:?}", reader.told());

    assert_eq!(fields.required("", &mut reader), None);
    assert_eq!(reader.number_in(get("n"), 8..=9), None);
    assert_eq!(
        (reader.number(get("quoted")), reader.number(get("half")), reader.number(get("vast"))),
        (None, None, None)
    );
    assert_eq!(reader.word(get("word"), "a colour", &[("red", 1), ("green", 2)]), None);
    let expected = [
        "error f.yaml:1:1: it lacks key ``; ",
        "error f.yaml:1:25: 7 is too small; a number from 8 to 9 belongs here",
        "error f.yaml:1:36: a whole number belongs here, not the text \"7\"; drop its quotes",
        "error f.yaml:1:47: a whole number belongs here, not the number 1.5; ",
        "error f.yaml:1:58: this number is too large; it can be at most 9223372036854775807",
        "error f.yaml:1:86: `gren` is not a colour; did you mean `green`?",
    ];
    assert_eq!(reader.told(), expected);
}

#[test]
fn the_same_is_said_once_of_a_place_and_all_in_the_order_of_the_input() {
    let (root, mut reader) = read("f.yaml", "a: '{\"x\": 1, \"y\": 2}'\nb: 1\n");
    let root = root.unwrap();
    let inside = reader.json_inside(root.get("a").unwrap(), "annotation a").unwrap();
    reader.warning(root.get("b").unwrap().span, "second");
    reader.error(inside.get("y").unwrap().span, "first");
    reader.error(inside.get("y").unwrap().span, "first");
    assert_eq!(reader.errors(), 1);
    assert_eq!(
        reader.told(),
        ["error f.yaml:1:4: annotation a, line 1, column 15: first; ", "warning f.yaml:2:4: second; "]
    );
}

#[test]
fn nothing_in_a_text_turns_or_moves_what_a_terminal_shows() {
    let (root, reader) = read("f.json", "{\"a\u{202e}b\u{9b}\": 1}");
    let shown = reader.sources.slice(root.unwrap().span);
    assert_eq!(shown, "{\"a\u{fffd}b\u{b7}\": 1}");
}
