//! `kfed schedule`: the planner, offline.
//!
//! ```text
//! FILE ─► tree with places ─► requests ─► plan ─► table, JSON, YAML
//!         (crate::document)              └► again, with a change ─► differences
//! ```

mod answer;
mod argument;
mod change;
mod cluster;
mod object;
mod policy;
mod request;
mod table;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use serde::Serialize;

use self::answer::{Answers, Differences};
pub(crate) use self::change::ChangeError;
use self::change::{Changes, Replicas};
use self::cluster::Cluster;
use self::request::{Supplies, Workload};
use crate::document::{Note, Reader, printable};
use crate::error::Error;

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
    #[arg(long, value_name = "MEMBER", help_heading = "What if")]
    add: Vec<String>,
    /// What if there were N replicas, of every workload or of one?
    ///
    /// Where the file does not say how many, N is the number, and nothing is compared.
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
names the members, or as `workload` of a request. Other kinds are passed over.

The JSON of a preferences annotation alone will do too: --replicas says how many, as N or as
NAMESPACE/NAME=N, and --clusters or --add who there is.";

const EXAMPLES: &str = "\
Examples:
  kfed schedule -f web.yaml                            a table, with the reason of each number
  kfed schedule -f web.yaml --explain                  the same in sentences
  kfed schedule -f web.yaml -o json | jq '.[].plan'
  kfed schedule -f web.yaml --remove fed-west          who takes over?
  kfed schedule -f web.yaml --add name=fed-north,capacity=10 --replicas 20
  kubectl get rs,deploy -A -o json | kfed schedule -f - --clusters members.yaml
  kfed schedule -f preferences.json --replicas default/web=9 --add fed-west --add fed-east";

const DETAILS: &str = "\
With --remove, --add or --replicas the plan before the change is compared with the plan after
it. What the members that stay run now is the same in both; what a removed one runs is lost.
The table has the numbers that differ; JSON and YAML have `changes`, `before` and `after` of
every request. The exit code is that of diff: 0 the same, 1 different, 2 an error.

Otherwise the exit code is 0, also where replicas stay unplaced or something is warned of,
or 2 for an error, with nothing on stdout. What mode federation-v1 always accepted is a
warning at most. A list without requests is no error, and gives an empty one.

In what `kubectl get clusters` prints, members that are not Ready, are Offline or are about to
leave take no replicas: they are left out, with a warning.";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

/// What was read.
#[derive(Debug)]
struct Input {
    workloads: Vec<Workload>,
    /// The members of `--add` that join those that there are.
    add: Arc<Vec<Cluster>>,
    /// What `--replicas` says of workloads that have a number.
    replicas: Vec<Replicas>,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let mut reader = Reader::default();
    let input = Input::read(args, &mut reader)?;
    reader.tell()?;
    let Input { workloads, add, replicas } = &input;
    let changes = Changes { remove: &args.remove, add, replicas };
    changes.check(workloads)?;

    let mut out = BufWriter::new(io::stdout().lock());
    let written = if changes.is_empty() {
        plans(workloads, args, &mut out).map(|()| false)
    } else {
        differences(workloads, &changes, args, &mut out)
    };
    match written.and_then(|differs| out.flush().map(|()| differs)) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::Told { code: 1 }),
        // A reader that has gone away has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(Error::WriteOutput { source }),
    }
}

fn plans(workloads: &[Workload], args: &Args, out: &mut impl Write) -> io::Result<()> {
    if args.output != Format::Table {
        return machine(&Answers { workloads, explained: args.explain }, args.output, out);
    }
    if args.explain {
        for (at, workload) in workloads.iter().enumerate() {
            let text = answer::plan(workload, true).1.unwrap_or_default();
            writeln!(out, "{}{}", if at == 0 { "" } else { "\n" }, printable(text.trim_end()))?;
        }
        return Ok(());
    }
    if workloads.is_empty() {
        return Ok(());
    }
    let table = table::Plans::begin(workloads, out)?;
    workloads.iter().try_for_each(|workload| table.write(workload, &answer::plan(workload, false).0, out))
}

/// Writes how plans differ, and tells whether they do.
fn differences(workloads: &[Workload], changes: &Changes<'_>, args: &Args, out: &mut impl Write) -> io::Result<bool> {
    if args.output != Format::Table {
        let all = Differences { workloads, changes, explained: args.explain, differ: Cell::new(false) };
        machine(&all, args.output, out)?;
        return Ok(all.differ.get());
    }
    let mut table = table::Differences::default();
    let mut explanations = Vec::new();
    for (difference, changed) in answer::differences(workloads, changes, args.explain) {
        if difference.is_change() {
            table.add(&difference, &changed);
            explanations.extend(difference.explanation);
        }
    }
    if table.is_empty() {
        writeln!(out, "no change")?;
        return Ok(false);
    }
    table.write(out)?;
    explanations.iter().try_for_each(|lines| writeln!(out, "\n{}", printable(&lines.join("\n"))))?;
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
    fn read(args: &Args, reader: &mut Reader) -> Result<Self, Error> {
        if args.files.iter().chain(&args.clusters).filter(|path| path.as_os_str() == "-").count() > 1 {
            let message = "stdin is named more than once, and can be read once only".to_owned();
            reader.push(Note {
                is_error: true,
                message,
                help: Some("give one of them as a file".to_owned()),
                at: None,
            });
            reader.tell()?;
        }
        let named = match &args.clusters {
            None => None,
            Some(path) => {
                let mut nodes = Vec::new();
                let documents = reader.documents(path)?.unwrap_or_default();
                for mut document in documents {
                    reader.each_key_once(&mut document);
                    request::flatten(document, &mut nodes);
                }
                Some(Arc::new(cluster::read_all(&nodes, reader)))
            }
        };
        let read = |text: &String| argument::read("--add", text, reader);
        let mut add = Arc::new(args.add.iter().filter_map(read).collect::<Vec<_>>());

        // Where nobody else is named, those added are the members.
        let are_members = named.is_none() && !add.is_empty();
        let clusters = if are_members { Some(&add) } else { named.as_ref() };
        let supplies = Supplies { clusters, replicas: &args.replicas };
        let mut workloads = Vec::new();
        for path in &args.files {
            match reader.documents(path)? {
                Some(documents) if documents.is_empty() => {
                    let message = format!("{} holds no request", path.display());
                    let help = "kfed schedule --help shows one".to_owned();
                    reader.push(Note { is_error: true, message, help: Some(help), at: None });
                }
                documents => workloads.extend(request::read_all(documents.unwrap_or_default(), supplies, reader)),
            }
        }

        if are_members {
            let is_added = |workload: &&mut Workload| Arc::ptr_eq(&workload.clusters, &add);
            if workloads.iter_mut().filter(is_added).count() == workloads.len() {
                add = Arc::default();
            } else {
                workloads.iter_mut().filter(is_added).for_each(|workload| workload.clusters = Arc::default());
            }
        }
        for workload in &workloads {
            policy::check_capacities(&workload.policy, &add, reader);
        }
        let is_empty = |workload: &Workload| workload.clusters.is_empty();
        if reader.errors() == 0 && !workloads.is_empty() && add.is_empty() && workloads.iter().all(is_empty) {
            let message = "there are no members: nothing is placed".to_owned();
            let help = "name them in `clusters`, or with --clusters or --add".to_owned();
            reader.push(Note { is_error: false, message, help: Some(help), at: None });
        }
        let is_change = |replicas: &Replicas| {
            let mut of = workloads.iter().filter(|workload| replicas.is_of(&workload.key)).peekable();
            of.peek().is_none() || of.any(|workload| !workload.is_supplied)
        };
        let replicas = args.replicas.iter().filter(|replicas| is_change(replicas)).cloned().collect();
        Ok(Self { workloads, add, replicas })
    }
}
