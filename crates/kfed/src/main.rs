//! The kfed binary.
fn main() {}
