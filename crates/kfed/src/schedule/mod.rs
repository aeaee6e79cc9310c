//! `kfed schedule`: the planner, offline.
//!
//! ```text
//! FILE ─► tree with places ─► requests ─► plan ─► table, JSON, YAML
//!         (yaml, json)        (+ notes)    └► again, with a change ─► differences
//! ```

mod answer;
mod change;
mod cluster;
mod decode;
mod json;
mod nearest;
mod policy;
mod read;
mod request;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod yaml;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use self::answer::{Answers, Difference};
pub(crate) use self::change::ChangeError;
use self::change::{Changes, Replicas};
use self::cluster::Cluster;
use self::request::Workload;
use self::source::{Notes, Sources};
use crate::error::Error;
use crate::output;

/// The exit code of an error. `kubectl diff` ends with more than 1, since 1 says that there are differences.
const FAILED: u8 = 1;
const FAILED_DIFF: u8 = 2;
/// How many notes of a kind are shown.
const SHOWN: usize = 20;

/// Plan replicas offline: who gets how many, why, and what if
#[derive(Debug, clap::Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES, after_long_help = format!("{DETAILS}\n\n{EXAMPLES}"))]
pub(crate) struct Args {
    /// What to plan; - is stdin
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The members of requests that name none: a list as in a request, or what `kubectl get clusters -o yaml` prints
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Say how each plan came about, in at most 20 lines; in JSON and YAML under `explanation`
    #[arg(long)]
    explain: bool,
    /// What if this member left, with all that it runs?
    #[arg(long, value_name = "NAME", help_heading = "What if")]
    remove: Vec<String>,
    /// What if this member joined? NAME, or name=NAME,capacity=10,region=westus
    ///
    /// Further parts: zone=1, current=0, capacityAge=5m, label.KEY=VALUE, taint=KEY=VALUE:EFFECT. Where no request names members, those added are the members, and nothing is compared.
    #[arg(long, value_name = "MEMBER", value_parser = Cluster::parse, help_heading = "What if")]
    add: Vec<Cluster>,
    /// What if there were N replicas, of every workload or of one?
    #[arg(long, value_name = "N|KEY=N", help_heading = "What if")]
    replicas: Vec<Replicas>,
}

const ABOUT: &str = "\
Plan replicas offline: who gets how many, why, and what if

FILE is YAML or JSON: one request, a list of them, or several documents. A request is

  key: default/hostname          # namespace/name; it breaks ties
  replicas: 9
  mode: federation-v1            # or proportional
  preferences:
    rebalance: true
    clusters:
      \"*\": {weight: 1}
      fed-west: {minReplicas: 2, maxReplicas: 4, weight: 1}
  clusters:                      # the available members; only the name is needed
  - name: fed-west
    current: 4
    capacity: 5
    capacityAge: 5m
    region: westus
    zone: \"1\"
    labels: {tier: gold}
    taints: [{key: dedicated, value: batch, effect: NoSchedule}]
  - fed-east

In `preferences` or beside it may stand clusterSelector, tolerations, groups, spread, maxMoves
and maxClusters. `preferences` may be the text of a preferences annotation; without any,
replicas are spread evenly.

A ReplicaSet, Deployment or Job is read as it is, with its annotations: alone, then --clusters
names the members, or as `workload` of a request. Other kinds are passed over.";

const EXAMPLES: &str = "\
Examples:
  kfed schedule -f web.yaml                            a table, with the reason of each number
  kfed schedule -f web.yaml --explain                  the same in sentences
  kfed schedule -f web.yaml -o json | jq '.[].plan'
  kfed schedule -f web.yaml --remove fed-west          who takes over?
  kfed schedule -f web.yaml --add name=fed-north,capacity=10 --replicas 20
  kubectl get rs,deploy -A -o json | kfed schedule -f - --clusters members.yaml";

const DETAILS: &str = "\
With --remove, --add or --replicas the plan before the change is compared with the plan after
it. What the members that stay run now is the same in both; what a removed one runs is lost.
The table has the numbers that differ; JSON and YAML have `changes`, `before` and `after` of
every request. The exit code is that of diff: 0 the same, 1 different, 2 an error.

Otherwise the exit code is 0, also where replicas stay unplaced or something is warned of,
or 1 for an error, with nothing on stdout. What mode federation-v1 always accepted is a
warning at most.";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

/// What was read, with all that was noted.
#[derive(Debug, Default)]
struct Input {
    sources: Sources,
    notes: Notes,
    workloads: Vec<Workload>,
    /// Whether any request, or `--clusters`, names members.
    names_members: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let asks_what_if = !(args.remove.is_empty() && args.add.is_empty() && args.replicas.is_empty());
    let failed = if asks_what_if { FAILED_DIFF } else { FAILED };
    // An error of this verb ends with its own code: it is told here.
    let told = |error| {
        output::report(error);
        Error::Told { code: failed }
    };

    let input = Input::read(args).map_err(told)?;
    input.tell();
    if input.notes.errors() > 0 {
        return Err(Error::Told { code: failed });
    }
    let Input { mut workloads, names_members, .. } = input;
    let mut changes = Changes { remove: &args.remove, add: &args.add, replicas: &args.replicas };
    if !names_members && !args.add.is_empty() {
        let added = Arc::new(std::mem::take(&mut changes.add).to_vec());
        workloads.iter_mut().for_each(|workload| workload.clusters = Arc::clone(&added));
    }
    changes.check(&workloads).map_err(|error| told(error.into()))?;

    let mut out = BufWriter::new(io::stdout().lock());
    let written = if changes.is_empty() {
        plans(&workloads, args, &mut out).map(|()| false)
    } else {
        differences(&workloads, &changes, args, &mut out)
    };
    match written.and_then(|differs| out.flush().map(|()| differs)) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Told { code: 1 }),
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(told(Error::Write { path: "stdout".into(), source })),
    }
}

fn plans(workloads: &[Workload], args: &Args, out: &mut impl Write) -> io::Result<()> {
    if args.output != Format::Table {
        return machine(&Answers { workloads, explained: args.explain }, args.output, out);
    }
    if args.explain {
        for (at, workload) in workloads.iter().enumerate() {
            let text = answer::plan(workload, true).1.unwrap_or_default();
            writeln!(out, "{}{}", if at == 0 { "" } else { "\n" }, text.trim_end())?;
        }
        return Ok(());
    }
    let table = table::Plans::begin(workloads, out)?;
    workloads.iter().try_for_each(|workload| table.write(workload, &answer::plan(workload, false).0, out))
}

/// Writes how plans differ, and tells whether they do.
fn differences(workloads: &[Workload], changes: &Changes<'_>, args: &Args, out: &mut impl Write) -> io::Result<bool> {
    let all = answer::differences(workloads, changes, args.explain);
    if args.output != Format::Table {
        let all: Vec<Difference<'_>> = all.map(|(difference, _)| difference).collect();
        machine(&all, args.output, out)?;
        return Ok(all.iter().any(Difference::is_change));
    }
    let changed: Vec<_> = all.filter(|(difference, _)| difference.is_change()).collect();
    if changed.is_empty() {
        writeln!(out, "no change")?;
        return Ok(false);
    }
    table::differences(&changed, out)?;
    for explanation in changed.iter().filter_map(|(difference, _)| difference.explanation.as_ref()) {
        writeln!(out, "\n{}", explanation.join("\n"))?;
    }
    Ok(true)
}

fn machine(value: &impl Serialize, format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Yaml => serde_saphyr::to_io_writer(out, value).map_err(io::Error::other),
        Format::Table | Format::Json => {
            serde_json::to_writer_pretty(&mut *out, value)?;
            writeln!(out)
        }
    }
}

// === impl Input ===

impl Input {
    fn read(args: &Args) -> Result<Self, Error> {
        let mut input = Self::default();
        let common = match &args.clusters {
            None => None,
            Some(path) => {
                let nodes = input.nodes(path)?;
                let read = cluster::read_all(&nodes.unwrap_or_default(), &input.sources, &mut input.notes);
                Some(Arc::new(read))
            }
        };
        for path in &args.files {
            if let Some(nodes) = input.nodes(path)? {
                input.take(&nodes, common.as_ref(), path.display());
            }
        }
        input.names_members = common.is_some() || input.workloads.iter().any(|workload| !workload.clusters.is_empty());
        if !input.names_members && args.add.is_empty() && !input.workloads.is_empty() && input.notes.errors() == 0 {
            let message = "there are no members: nothing is placed".to_owned();
            let help = "name them in `clusters`, or with --clusters or --add".to_owned();
            input.notes.push(source::Note { is_error: false, message, help: Some(help), at: None });
        }
        Ok(input)
    }

    /// The values in a file; none when it has a mistake, which is noted.
    fn nodes(&mut self, path: &std::path::Path) -> Result<Option<Vec<tree::Node>>, Error> {
        match read::read(path, &mut self.sources)? {
            Ok(nodes) => Ok(Some(nodes)),
            Err(wrong) => {
                self.notes.push(wrong);
                Ok(None)
            }
        }
    }

    fn take(&mut self, nodes: &[tree::Node], common: Option<&Arc<Vec<Cluster>>>, name: impl std::fmt::Display) {
        if nodes.is_empty() {
            let note = self.notes.push(source::Note {
                is_error: true,
                message: format!("{name} holds no request"),
                help: None,
                at: None,
            });
            note.help("kfed schedule --help shows one");
        }
        self.workloads.extend(request::read_all(nodes, common, &mut self.sources, &mut self.notes));
    }

    /// Says what was noted, on stderr.
    fn tell(&self) {
        for (errors, kind) in [(false, "warnings"), (true, "errors")] {
            let notes = || self.notes.iter().filter(|note| note.is_error == errors);
            for note in notes().take(SHOWN) {
                output::note(format_args!("{:?}", self.sources.report(note)));
            }
            match notes().count().saturating_sub(SHOWN) {
                0 => {}
                more => output::note(format_args!("and {more} more {kind}")),
            }
        }
    }
}
