//! Shares over time, as text.

use std::time::Duration;

/// How many rows the whole fills.
const ROWS: usize = 10;
/// How many columns at most.
const COLUMNS: usize = 90;

/// A plot of how many are right (`#`), wrong (`x`) and nothing (`.`), with time to the right. `samples` are `[right, wrong, nothing]`,
/// one each `step`. A column shows the worst of its samples, and what is there at all fills a row at least.
pub fn plot(samples: &[[usize; 3]], step: Duration) -> String {
    let Some(total) = samples.first().map(|sample| sample.iter().sum::<usize>()).filter(|total| *total > 0) else {
        return String::new();
    };
    let each = samples.len().div_ceil(COLUMNS);
    let columns: Vec<String> = samples.chunks(each).map(|chunk| column(chunk, total)).collect();
    let mut text = String::new();
    for row in 0..ROWS {
        let label = if row == 0 { "100 %".to_owned() } else { String::new() };
        let line: String = columns.iter().filter_map(|column| column.chars().nth(row)).collect();
        text.push_str(&format!("{label:>6} |{line}\n"));
    }
    let seconds =
        |samples: usize| format!("{:.0} s", (step * u32::try_from(samples).unwrap_or(u32::MAX)).as_secs_f64());
    text.push_str(&format!("{:>6} +{}\n", "0 %", "-".repeat(columns.len())));
    let (middle, end) = (columns.len() / 2, columns.len());
    let axis = format!("{:<middle$}{}", "0 s", seconds(middle * each));
    let last = seconds(samples.len());
    text.push_str(&format!("{:>7} {axis:<width$}{last}\n", "", width = end.saturating_sub(last.len())));
    text
}

/// One column from its top down.
fn column(samples: &[[usize; 3]], total: usize) -> String {
    let worst = |kind: usize| samples.iter().map(|sample| sample[kind]).max().unwrap_or(0);
    let rows = |count: usize| (count * ROWS).div_ceil(total);
    let nothing = rows(worst(2)).min(ROWS);
    let wrong = rows(worst(1)).min(ROWS - nothing);
    format!("{}{}{}", ".".repeat(nothing), "x".repeat(wrong), "#".repeat(ROWS - nothing - wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_stacked_and_time_goes_to_the_right() {
        let samples = [[10, 0, 0], [5, 5, 0], [5, 3, 2], [9, 1, 0], [10, 0, 0]];
        let text = plot(&samples, Duration::from_secs(1));
        let rows = ["#x.x#", "#x.##", "#xx##", "#xx##", "#xx##", "#####", "#####", "#####", "#####", "#####"];
        let lines: Vec<&str> = text.lines().collect();
        let drawn: Vec<&str> = lines[..ROWS].iter().map(|line| &line[8..]).collect();
        assert_eq!(drawn, rows, "\n{text}");
        assert_eq!(lines[ROWS..], ["   0 % +-----", "        0 s2 s5 s"]);
    }

    #[test]
    fn a_moment_among_many_is_still_seen() {
        let mut samples = vec![[1000, 0, 0]; 5000];
        samples[4321] = [999, 0, 1];
        let text = plot(&samples, Duration::from_millis(100));
        assert_eq!(text.matches('.').count(), 1, "\n{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "\n{text}");
        assert!(text.ends_with("500 s\n"), "\n{text}");
    }

    #[test]
    fn nothing_is_no_plot() {
        assert_eq!(plot(&[], Duration::from_secs(1)), "");
    }
}
