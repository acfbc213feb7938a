//! The program `camonica-cluster`.

fn main() {}
