//! Values that both kinds of files hold.

use std::path::{Path, PathBuf};

use url::Url;

use super::Scope;

pub(super) const ENDPOINT_HELP: &str = "it is written `https://host[:port]`";
pub(super) const SUBSCRIPTION_HELP: &str = "it is one identifier, made of letters, digits and `-_.()`; a resource group in another subscription is written `SUBSCRIPTION/GROUP`";
pub(super) const SCOPES_HELP: &str = "it is made of letters, digits and `-_.()`; several are joined by commas, and one in another subscription is written `SUBSCRIPTION/GROUP`";

/// Whether `text` can be a segment of a URL.
pub(super) fn is_identifier(text: &str) -> bool {
    // Resource groups: letters, digits and `-_.()`, not ending in a dot.
    let fits = |c: char| c.is_alphanumeric() || "-_.()".contains(c);
    !text.is_empty() && text.chars().all(fits) && !text.ends_with('.')
}

/// Reads `GROUP` and `SUBSCRIPTION/GROUP`, joined by commas. The error is the problem alone.
pub(super) fn scopes(text: &str, subscription: &str) -> Result<Vec<Scope>, String> {
    let mut scopes: Vec<Scope> = Vec::new();
    for entry in text.split(',').map(str::trim) {
        let (subscription, group) = entry.split_once('/').unwrap_or((subscription, entry));
        if !is_identifier(subscription) || !is_identifier(group) {
            return Err(match text.contains(',') {
                true => format!("`{entry}` is not a name in Azure"),
                false => "not a name in Azure".to_owned(),
            });
        }
        // Letter case means nothing in either.
        let scope = Scope { subscription_id: subscription.to_owned(), resource_group: group.to_owned() };
        let same = |known: &Scope| {
            known.subscription_id.eq_ignore_ascii_case(subscription) && known.resource_group.eq_ignore_ascii_case(group)
        };
        if scopes.iter().any(same) {
            return Err(format!("`{scope}` is named twice"));
        }
        scopes.push(scope);
    }
    Ok(scopes)
}

/// An endpoint that credentials may be sent to. The error is the problem alone.
pub(super) fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    // Tokens and the client secret go there.
    if url.scheme() != "https" || !url.has_host() {
        return Err("credentials are only sent over https".to_owned());
    }
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err("an endpoint has scheme, host and port alone".to_owned());
    }
    Ok(url)
}

/// `file`, looked for beside `config` if its path is relative.
pub(super) fn beside(config: &Path, file: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(file)
}

/// How many single changes make `b` of `a`, case and dashes left out (Levenshtein).
pub(super) fn distance(a: &str, b: &str) -> usize {
    let plain = |text: &str| text.to_ascii_lowercase().chars().filter(|c| *c != '-' && *c != '_').collect::<Vec<_>>();
    let (a, b) = (plain(a), plain(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
