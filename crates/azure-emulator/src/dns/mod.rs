//! The zones over DNS: what a resolver hears from Azure's name servers. What is written is answered at once.

mod front;
mod lookup;
mod wire;

pub use front::{DnsFront, bind, serve};
pub use lookup::{Answer, AnswerRecord, Rcode, lookup};
