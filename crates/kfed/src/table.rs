//! Tables as kubectl prints them, and the other ways to print an answer.

use clap::ValueEnum;
use serde::Serialize;

use crate::output::line;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
}

/// Rows under a head.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// Prints `value` for machines, or the table that `table` makes of it for people; it is told whether a wide one is asked for.
pub(crate) fn print(format: Format, value: &impl Serialize, table: impl FnOnce(bool) -> Table) {
    print_text(format, value, |wide| table(wide).lines().join("\n"));
}

/// Prints `value` for machines, or the text that `text` makes of it for people; it is told whether a wide one is asked for.
pub(crate) fn print_text(format: Format, value: &impl Serialize, text: impl FnOnce(bool) -> String) {
    match format {
        Format::Table | Format::Wide => match text(format == Format::Wide).trim_end() {
            "" => {}
            text => line(text),
        },
        Format::Json => line(serde_json::to_string_pretty(value).expect("texts, numbers and lists are JSON")),
        Format::Yaml => {
            line(serde_saphyr::to_string(value).expect("texts, numbers and lists are YAML").trim_end());
        }
    }
}

// === impl Table ===

impl Table {
    pub(crate) fn new<const N: usize>(head: [&'static str; N]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new() }
    }

    /// Adds a column that has a cell in rows that are pushed from now on.
    pub(crate) fn column(&mut self, head: &'static str) {
        self.head.push(head);
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.head.len());
        self.rows.push(row);
    }

    /// The lines; none where there is no row. An empty cell is a `-`.
    fn lines(&self) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let shown = |cell: &str| if cell.is_empty() { "-".to_owned() } else { cell.to_owned() };
        let head = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| shown(cell)).collect::<Vec<_>>());
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
        let widths: Vec<usize> =
            (0..self.head.len()).map(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["NAME", "TTL"]);
        assert!(table.lines().is_empty());
        table.column("DATA");
        table.push(vec!["a.example.com.".into(), "30".into(), "192.0.2.1".into()]);
        table.push(vec!["b.".into(), String::new(), "x".into()]);
        let lines = ["NAME             TTL   DATA", "a.example.com.   30    192.0.2.1", "b.               -     x"];
        assert_eq!(table.lines(), lines);
    }
}
