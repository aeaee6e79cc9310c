//! Members as arguments.

use super::cluster::{Cluster, from_entries};
use crate::document::{Entry, Node, Reader, Span, Value};

/// Reads `NAME` or `name=NAME,region=…,zone=…,capacity=…,current=…,capacityAge=…,label.KEY=…,taint=KEY=VALUE:EFFECT`: a member as
/// a file has it, with other signs.
pub(super) fn read(flag: &str, text: &str, reader: &mut Reader) -> Option<Cluster> {
    let mut node = argument(flag, text, reader);
    reader.each_key_once(&mut node);
    from_entries(&node, reader)
}

/// The words of an argument as the map that they stand for.
fn argument(flag: &str, text: &str, reader: &mut Reader) -> Node {
    let source = reader.sources.add(flag, text);
    let whole = Span::new(source, 0, text.len());
    let (mut entries, mut labels, mut taints) = (Vec::<Entry>::new(), Vec::new(), Vec::new());
    let mut start = 0;
    for part in text.split(',') {
        let (key, value, behind) = match part.split_once('=') {
            Some((key, value)) => (key, value, key.len() + 1),
            None if entries.is_empty() => ("name", part, 0),
            None => {
                let at = Span::new(source, start, start + part.len());
                reader.error(at, format!("`{part}` lacks its value")).help("write KEY=VALUE");
                start += part.len() + 1;
                continue;
            }
        };
        let span = Span::new(source, start, start + part.len() - value.len());
        let at = Span::new(source, start + behind, start + part.len());
        let (key, value) = (key.trim(), value.trim());
        let text = Node { value: Value::Text(value.to_owned()), span: at };
        match key.strip_prefix("label.") {
            Some(label) => labels.push(Entry { key: label.to_owned(), span, node: text }),
            None if key == "taint" => taints.push(text),
            None => {
                let number = value.parse().map(Value::Int).ok();
                let node = Node { value: number.unwrap_or(text.value), span: at };
                entries.push(Entry { key: key.to_owned(), span, node });
            }
        }
        start += part.len() + 1;
    }
    for (key, value, is_empty) in [
        ("labels", Value::Map(labels.clone()), labels.is_empty()),
        ("taints", Value::List(taints.clone()), taints.is_empty()),
    ] {
        if !is_empty {
            entries.push(Entry { key: key.to_owned(), span: whole, node: Node { value, span: whole } });
        }
    }
    Node { value: Value::Map(entries), span: whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The member, and what is said about the argument.
    fn read(text: &str) -> (Option<Cluster>, Vec<String>) {
        let mut reader = Reader::default();
        let cluster = super::read("--add", text, &mut reader);
        (cluster, reader.told())
    }

    #[test]
    fn a_member_is_read_from_one_word_of_a_command_line() {
        let all = "name=fed-north,region=northeurope,zone=2,capacity=10,current=0,capacityAge=5m,label.kfed.io/tier=gold,\
                   taint=dedicated=batch:NoSchedule,taint=drained:NoExecute";
        let (cluster, told) = read(all);
        let cluster = cluster.unwrap_or_else(|| panic!("{told:?}"));
        assert_eq!((cluster.name.as_str(), cluster.current, cluster.capacity), ("fed-north", Some(0), Some(10)));
        let attributes = &cluster.attributes;
        assert_eq!((attributes.region.as_deref(), attributes.zone.as_deref()), (Some("northeurope"), Some("2")));
        assert_eq!(attributes.labels["kfed.io/tier"], "gold");
        assert_eq!(attributes.capacity_age.map(|age| age.as_secs()), Some(300));
        let taints: Vec<_> = attributes.taints.iter().map(|t| (t.key.as_str(), t.value.as_str())).collect();
        assert_eq!(taints, [("dedicated", "batch"), ("drained", "")]);
        assert_eq!(read("fed-north").0.unwrap().name, "fed-north");
    }

    #[test]
    fn what_is_no_member_is_told_what_it_lacks_and_where() {
        for (text, says) in [
            ("", "--add:1:1: a member's name cannot be empty"),
            ("name=", "--add:1:6: a member's name cannot be empty"),
            ("region=westus", "--add:1:1: this member has no name"),
            ("name=a,capcity=3", "--add:1:8: a member has no key `capcity`; did you mean `capacity`?"),
            ("name=a,capacity=many", "--add:1:17: a whole number belongs here"),
            ("name=a,current=-1", "--add:1:16: replicas that run cannot be negative"),
            ("name=a,taint=x", "--add:1:14: `x` is no taint; write KEY=VALUE:EFFECT"),
            ("name=a,taint=x:NoSchedul", "did you mean `NoSchedule`?"),
            ("name=a,capacityAge=5", "--add:1:20: `5` is no duration; write a number with its unit"),
            ("name=a,b", "--add:1:8: `b` lacks its value"),
            ("a,name=b", "--add:1:3: `name` stands here a second time"),
            ("a,label.x=1,label.x=2", "--add:1:13: `x` stands here a second time"),
        ] {
            let told = read(text).1.join("\n");
            assert!(told.contains(says), "{text}: {told}");
        }
    }
}
