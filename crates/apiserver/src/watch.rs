//! Watches: a body of one JSON event a line, from a place in the history to now and on.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep};

use crate::clock::Clock;
use crate::convert;
use crate::kinds::Kind;
use crate::object;
use crate::reply::{Representation, View};
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::Status;
use crate::store::{Change, Store, Stored, Subscription};
use crate::table::IncludeObject;

/// How often a quiet watch is told how far it has come.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// How long before its end a watch is told.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// Which objects of a resource a list or watch shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) labels: Option<LabelSelector>,
    pub(crate) fields: Option<FieldSelector>,
}

impl Selection {
    pub(crate) fn matches(&self, kind: &Kind, stored: &Stored) -> bool {
        self.labels.as_ref().is_none_or(|s| s.matches(&stored.object))
            && self.fields.as_ref().is_none_or(|s| s.matches(&convert::from_storage(kind, &stored.object)))
    }

    pub(crate) fn is_all(&self) -> bool {
        self.labels.is_none() && self.fields.is_none()
    }
}

/// What a watch was asked to be.
#[derive(Debug)]
pub(crate) struct WatchOptions {
    pub(crate) kind: Arc<Kind>,
    pub(crate) representation: Representation,
    pub(crate) selection: Selection,
    pub(crate) bookmarks: bool,
    /// Mark where the initial state ends.
    pub(crate) mark_state: bool,
    pub(crate) timeout: Duration,
}

/// The body of a watch: it ends at the timeout, when the store drops the subscription, or with the connection.
pub(crate) fn body(store: &Arc<Store>, clock: Clock, subscription: Subscription, options: WatchOptions) -> Body {
    let deadline = Instant::now() + options.timeout;
    let mut bookmarks = tokio::time::interval_at(Instant::now() + BOOKMARK_PERIOD, BOOKMARK_PERIOD);
    bookmarks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch {
        seen: subscription.revision,
        told: subscription.revision,
        store: Arc::downgrade(store),
        clock,
        options,
        live: subscription.live,
        pending: Vec::new(),
        buffer: Vec::new(),
        columns_sent: false,
        deadline: Box::pin(tokio::time::sleep_until(deadline)),
        last_bookmark: Box::pin(tokio::time::sleep_until(
            deadline.checked_sub(BOOKMARK_BEFORE_END).unwrap_or(deadline),
        )),
        last_bookmark_due: true,
        bookmarks,
    };
    for stored in &subscription.state {
        if watch.options.selection.matches(&watch.options.kind, stored) {
            watch.event("ADDED", stored, stored.revision);
        }
    }
    if watch.options.mark_state && watch.options.bookmarks {
        watch.bookmark(subscription.revision, true);
    }
    for change in &subscription.missed {
        watch.change(change);
    }
    Body::from_stream(futures::stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), watch))
    }))
}

/// A watch that cannot begin: it does begin, and says so in its one event. Answering the error as such wedges clients, see kube-rs#1042.
pub(crate) fn failed(status: &Status) -> Body {
    let mut line = br#"{"type":"ERROR","object":"#.to_vec();
    line.extend_from_slice(status.to_bytes().trim_ascii_end());
    line.extend_from_slice(b"}\n");
    Body::from(line)
}

struct Watch {
    /// Weak: a watch must not keep a server alive that nobody else holds.
    store: Weak<Store>,
    clock: Clock,
    options: WatchOptions,
    live: tokio::sync::mpsc::Receiver<Arc<Change>>,
    /// The newest revision this watch has taken note of.
    seen: u64,
    /// The newest revision its client knows of.
    told: u64,
    pending: Vec<u8>,
    buffer: Vec<Arc<Change>>,
    columns_sent: bool,
    deadline: Pin<Box<Sleep>>,
    last_bookmark: Pin<Box<Sleep>>,
    last_bookmark_due: bool,
    bookmarks: Interval,
}

enum Wake {
    End,
    Changes(usize),
    Bookmark,
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.pending.is_empty() {
                return Some(std::mem::take(&mut self.pending).into());
            }
            let wake = tokio::select! {
                biased;
                () = &mut self.deadline => Wake::End,
                n = self.live.recv_many(&mut self.buffer, 256) => Wake::Changes(n),
                () = &mut self.last_bookmark, if self.options.bookmarks && self.last_bookmark_due => {
                    self.last_bookmark_due = false;
                    Wake::Bookmark
                }
                _ = self.bookmarks.tick(), if self.options.bookmarks => Wake::Bookmark,
            };
            match wake {
                Wake::End | Wake::Changes(0) => return None,
                Wake::Changes(_) => self.drain(),
                Wake::Bookmark => {
                    // All changes up to this revision are in the queue by now: show them, then say so.
                    let revision = self.store.upgrade()?.revision();
                    while let Ok(change) = self.live.try_recv() {
                        self.buffer.push(change);
                    }
                    self.drain();
                    self.seen = self.seen.max(revision);
                    if self.seen > self.told {
                        self.bookmark(self.seen, false);
                    }
                }
            }
        }
    }

    fn drain(&mut self) {
        for change in std::mem::take(&mut self.buffer) {
            self.change(&change);
        }
    }

    fn change(&mut self, change: &Change) {
        // A watch may begin at a revision that is still to come.
        if change.revision <= self.seen {
            return;
        }
        self.seen = change.revision;
        let WatchOptions { kind, selection, .. } = &self.options;
        let was = change.before.as_ref().is_some_and(|b| selection.is_all() || selection.matches(kind, b));
        let is = !change.deleted && (selection.is_all() || selection.matches(kind, &change.object));
        match (was, is) {
            (false, true) => self.event("ADDED", &change.object, change.revision),
            (true, true) => self.event("MODIFIED", &change.object, change.revision),
            (true, false) if change.deleted => self.event("DELETED", &change.object, change.revision),
            // Out of the selection: the last state inside it, at the revision of the change.
            (true, false) => {
                let before = change.before.as_ref().map(|b| b.object.clone()).unwrap_or_default();
                self.event("DELETED", &Stored::at(before, change.revision), change.revision);
            }
            (false, false) => {}
        }
    }

    fn event(&mut self, kind: &str, stored: &Stored, revision: u64) {
        let options = &self.options;
        let view = View { kind: &options.kind, representation: options.representation, now: (self.clock)() };
        self.told = self.told.max(revision);
        let out = &mut self.pending;
        out.extend_from_slice(br#"{"type":""#);
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(br#"","object":"#);
        match options.representation {
            Representation::Table(include) => {
                let object = convert::from_storage(&options.kind, &stored.object);
                let mut table = view.table(&[&object], include, json!({"resourceVersion": revision.to_string()}));
                // The columns are said once.
                if self.columns_sent {
                    table["columnDefinitions"] = Value::Null;
                }
                self.columns_sent = true;
                object::encode(&table, out);
            }
            _ => view.object(stored, out),
        }
        out.extend_from_slice(b"}\n");
    }

    fn bookmark(&mut self, revision: u64, end_of_state: bool) {
        let kind = &self.options.kind;
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if end_of_state {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.options.representation {
            Representation::Object => {
                json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata})
            }
            Representation::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            Representation::Table(include) => {
                let object = json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata});
                let include = if include == IncludeObject::None { IncludeObject::Metadata } else { include };
                let view = View { kind, representation: self.options.representation, now: (self.clock)() };
                let mut table = view.table(&[&object], include, json!({"resourceVersion": revision.to_string()}));
                table["columnDefinitions"] = Value::Null;
                table
            }
        };
        self.told = self.told.max(revision);
        self.pending.extend_from_slice(br#"{"type":"BOOKMARK","object":"#);
        object::encode(&object, &mut self.pending);
        self.pending.extend_from_slice(b"}\n");
    }
}
