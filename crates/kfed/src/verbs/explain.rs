//! `kfed explain`

use kfed_control_plane::overview::{Explanation, explain};

use crate::error::Error;
use crate::kubeconfig::{DEADLINE, Place};
use crate::output::table;
use crate::table::{Format, print_text};

/// Explain where an object is: in which members, how many of it, why, and what is wrong there
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kfed explain deploy web -n shop --context myfederation\n  kfed explain service hostname -o json"
)]
pub(crate) struct Args {
    /// The kind, as kubectl takes it: rs, replicasets, ReplicaSet
    kind: String,
    /// The object's name
    name: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let client = args.place.client().await?;
    let explained = explain(&client, &args.kind, &args.namespace, &args.name, DEADLINE).await?;
    let Some(explained) = explained else {
        return Err(Error::NoObject { kind: args.kind, name: args.name, namespace: args.namespace });
    };
    print_text(args.output, &explained, |_| text(&explained));
    Ok(())
}

fn text(explained: &Explanation) -> String {
    let replicas = explained.replicas.map(|replicas| format!(", {replicas} asked for")).unwrap_or_default();
    let mut text = format!("{}{replicas}\n", explained.object);
    if let Some(why) = &explained.not_federated {
        text += &format!("  is not federated: {why}\n");
        return text;
    }
    for condition in &explained.conditions {
        let since = &condition.since;
        text += &format!(
            "  {} {} since {since}: {}: {}\n",
            condition.type_, condition.status, condition.reason, condition.message
        );
    }
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let members = explained.members.iter().map(|(name, placed)| {
        let why = [&placed.reason, &placed.message, &placed.why].map(String::as_str);
        let why: Vec<_> = why.into_iter().filter(|word| !word.is_empty()).collect();
        let leaving = placed.leaving.map(|leaving| format!(" (+{leaving} leaving)")).unwrap_or_default();
        [name.clone(), number(placed.replicas) + &leaving, number(placed.ready), why.join(": ")]
    });
    text += "\n";
    text += &table(["MEMBER", "REPLICAS", "READY", "WHY"], members);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kfed_control_plane::overview::Placed;

    use super::*;

    #[test]
    fn replicas_that_are_still_to_leave_stand_beside_those_that_are_counted_on() {
        let east = Placed { replicas: Some(2), leaving: Some(1), ready: Some(2), ..Placed::default() };
        let west = Placed { why: "it is dead".into(), ..Placed::default() };
        let members = BTreeMap::from([("east".to_owned(), east), ("west".to_owned(), west)]);
        let said = text(&Explanation { object: "Deployment default/web".into(), members, ..Explanation::default() });
        let rows: Vec<Vec<_>> = said.lines().rev().take(2).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows, [vec!["west", "-", "-", "it", "is", "dead"], vec!["east", "2", "(+1", "leaving)", "2"]]);
    }
}
