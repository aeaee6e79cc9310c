mod book;
pub(crate) mod cases;
mod division;
mod held;
mod spread;
mod sticky;
mod tables;
