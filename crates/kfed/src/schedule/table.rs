//! Plans for people.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::io::{self, Write};

use kfed_replica_scheduler::Plan;

use super::answer::Difference;
use super::request::Workload;
use crate::document::printable;

/// What stands where there is no number.
const NONE: &str = "-";

/// Rows in columns that are as wide as their widest cell; the last column is as wide as it is.
struct Columns {
    widths: Vec<usize>,
    /// Columns of text, which begin at their left.
    texts: usize,
}

/// A table of plans, written row by row.
pub(crate) struct Plans {
    columns: Columns,
}

// === impl Plans ===

impl Plans {
    const HEAD: [&'static str; 7] = ["KEY", "MEMBER", "CURRENT", "PLANNED", "DELTA", "OVERFLOW", "WHY"];

    /// The columns are made for what is asked, so that rows can be written as plans are made.
    pub(crate) fn begin(workloads: &[Workload], out: &mut dyn Write) -> io::Result<Self> {
        let mut columns = Columns::new(&Self::HEAD, 2);
        for workload in workloads {
            columns.make_room(0, &workload.key);
            columns.make_room(2, &workload.replicas.to_string());
            columns.make_room(3, &workload.replicas.to_string());
            columns.make_room(4, &format!("+{}", workload.replicas));
            for cluster in workload.clusters.iter() {
                columns.make_room(1, &cluster.name);
                columns.make_room(2, &number(workload.current(cluster)));
            }
        }
        columns.make_room(1, "(total)");
        columns.write(out, &Self::HEAD)?;
        Ok(Self { columns })
    }

    pub(crate) fn write(&self, workload: &Workload, plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
        let currents: HashMap<_, _> =
            workload.clusters.iter().map(|cluster| (cluster.name.as_str(), workload.current(cluster))).collect();
        let (mut runs, mut planned, mut overflow) = (0_i128, 0_i128, 0_i128);
        for placement in &plan.placements {
            let current = currents.get(placement.member.as_str()).copied().flatten();
            let why: Vec<_> = placement.reasons.iter().map(ToString::to_string).collect();
            self.columns.write(
                out,
                &[
                    &workload.key,
                    &placement.member,
                    &number(current),
                    &placement.planned.to_string(),
                    &delta(i128::from(placement.planned) - i128::from(current.unwrap_or(0))),
                    &number(Some(placement.overflow).filter(|overflow| *overflow != 0)),
                    &why.join("; "),
                ],
            )?;
            runs += i128::from(current.unwrap_or(0));
            planned += i128::from(placement.planned);
            overflow += i128::from(placement.overflow);
        }
        self.columns.write(
            out,
            &[
                &workload.key,
                "(total)",
                &runs.to_string(),
                &planned.to_string(),
                &delta(planned - runs),
                &number(Some(overflow).filter(|overflow| *overflow != 0)),
                &sum(workload, plan),
            ],
        )
    }
}

/// What is left to say of a whole plan.
fn sum(workload: &Workload, plan: &Plan) -> String {
    let mut said = vec![format!("of {} asked for, {}", workload.replicas, workload.policy.mode)];
    if plan.placements.is_empty() {
        said.push("there are no members".to_owned());
    }
    if plan.unplaced != 0 {
        said.push(format!("{} unplaced", plan.unplaced));
    }
    if plan.postponed != 0 {
        said.push(format!("{} moves left for later rounds", plan.postponed));
    }
    said.join("; ")
}

/// The members whose numbers change, and the sums.
#[derive(Default)]
pub(crate) struct Differences(Vec<[String; 7]>);

// === impl Differences ===

impl Differences {
    const HEAD: [&'static str; 7] = ["KEY", "MEMBER", "BEFORE", "AFTER", "CHANGE", "OVERFLOW", "WHY"];

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, difference: &Difference<'_>, workload: &Workload) {
        let Difference { key, before, after, .. } = difference;
        let names: BTreeSet<_> = before.plan.keys().chain(after.plan.keys()).collect();
        for name in names {
            let (was, is) = (before.plan.get(name).copied(), after.plan.get(name).copied());
            let overflow = (before.overflow.get(name).copied(), after.overflow.get(name).copied());
            if was == is && overflow.0 == overflow.1 {
                continue;
            }
            let why = match after.reasons.get(name) {
                Some(reasons) => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                None => "removed".to_owned(),
            };
            self.0.push([
                (*key).to_owned(),
                name.clone(),
                number(was),
                number(is),
                delta(i128::from(is.unwrap_or(0)) - i128::from(was.unwrap_or(0))),
                if overflow.0 == overflow.1 { number(overflow.1) } else { arrow(overflow.0, overflow.1) },
                why,
            ]);
        }
        let total = |plan: &BTreeMap<String, i64>| plan.values().copied().map(i128::from).sum::<i128>();
        let (was, is) = (total(&before.plan), total(&after.plan));
        let overflow = (total(&before.overflow), total(&after.overflow));
        let mut why = format!("of {} asked for", workload.replicas);
        for (what, was, is) in [
            ("unplaced", before.unplaced, after.unplaced),
            ("moves left for later rounds", before.postponed, after.postponed),
        ] {
            if was != is {
                why += &format!("; {what} {was} → {is}");
            } else if is != 0 {
                why += &format!("; {is} {what}");
            }
        }
        self.0.push([
            (*key).to_owned(),
            "(total)".to_owned(),
            was.to_string(),
            is.to_string(),
            delta(is - was),
            if overflow.0 == overflow.1 {
                number(Some(overflow.1).filter(|overflow| *overflow != 0))
            } else {
                arrow(Some(overflow.0), Some(overflow.1))
            },
            why,
        ]);
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut columns = Columns::new(&Self::HEAD, 2);
        for row in &self.0 {
            for (at, cell) in row[..6].iter().enumerate() {
                columns.make_room(at, cell);
            }
        }
        columns.write(out, &Self::HEAD)?;
        self.0.iter().try_for_each(|row| columns.write(out, &row.each_ref().map(String::as_str)))
    }
}

fn number(number: Option<impl ToString>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

fn arrow<N: Display + Default>(was: Option<N>, is: Option<N>) -> String {
    format!("{} → {}", was.unwrap_or_default(), is.unwrap_or_default())
}

fn delta(number: i128) -> String {
    if number == 0 { "0".to_owned() } else { format!("{number:+}") }
}

/// A text as a part of one line that no terminal obeys.
fn line(text: &str) -> String {
    printable(text).replace(['\n', '\r', '\t'], " ")
}

// === impl Columns ===

impl Columns {
    fn new(head: &[&str], texts: usize) -> Self {
        Self { widths: head.iter().map(|cell| cell.chars().count()).collect(), texts }
    }

    fn make_room(&mut self, column: usize, cell: &str) {
        let width = &mut self.widths[column];
        *width = (*width).max(cell.chars().count());
    }

    fn write(&self, out: &mut dyn Write, cells: &[&str]) -> io::Result<()> {
        for (at, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let cell = line(cell);
            if at + 1 == cells.len() {
                writeln!(out, "{cell}")?;
            } else if at < self.texts {
                write!(out, "{cell:<width$}  ")?;
            } else {
                write!(out, "{cell:>width$}  ")?;
            }
        }
        Ok(())
    }
}
