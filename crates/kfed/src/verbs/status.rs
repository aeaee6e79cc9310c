//! `kfed status`

use kfed_control_plane::overview::{Overview, overview};

use crate::error::Error;
use crate::kubeconfig::{DEADLINE, Place};
use crate::output::{self, Format, table};

/// Show the federation at a glance: members, objects, what is wrong
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kfed status --context myfederation\n  kfed status -o json | jq .troubles")]
pub(crate) struct Args {
    /// How to write it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(args: Args) -> Result<(), Error> {
    let client = args.place.client().await?;
    let overview = overview(&client, DEADLINE).await?;
    match args.output {
        Format::Json => output::json(&overview),
        Format::Table => output::line(text(&overview).trim_end()),
    }
    Ok(())
}

fn text(overview: &Overview) -> String {
    let mut text = format!("federation {}\n", overview.federation);
    for condition in &overview.conditions {
        text += &format!("  {} {}: {}\n", condition.type_, condition.status, condition.message);
    }
    if let Some(leader) = &overview.leader {
        text += &match leader.identity.as_str() {
            "" => "  led by nobody: the last leader has given the lease back\n".to_owned(),
            identity => format!("  led by {identity} since {}, renewed {}\n", leader.since, leader.renewed),
        };
    }
    for awaiting in &overview.awaiting {
        text += &format!("  waits for kfed approve {awaiting}\n");
    }
    let members = overview.members.iter().map(|member| {
        let place = [&[member.region.clone()][..], &member.zones].concat().join("/");
        let numbers = [member.objects, member.troubles].map(|number| number.to_string());
        let [objects, troubles] = numbers;
        [
            member.name.clone(),
            member.phase.clone(),
            place,
            member.version.clone(),
            objects,
            troubles,
            member.why.clone(),
        ]
    });
    text += "\n";
    text += &table(["MEMBER", "STATUS", "PLACE", "VERSION", "OBJECTS", "WRONG", "WHY"], members);
    let kinds =
        overview.kinds.iter().map(|kind| [kind.resource.clone(), kind.objects.to_string(), kind.in_sync.to_string()]);
    text += "\n";
    text += &table(["KIND", "OBJECTS", "IN SYNC"], kinds);
    if !overview.troubles.is_empty() {
        let troubles = overview.troubles.iter().map(|trouble| {
            let condition = &trouble.condition;
            [trouble.object.clone(), condition.reason.clone(), condition.since.clone(), condition.message.clone()]
        });
        text += "\n";
        text += &table(["OBJECT", "REASON", "SINCE", "MESSAGE"], troubles);
    }
    text
}
