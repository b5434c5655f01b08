//! `machine_file N > FILE`: a machine file for N axes (see [`tactus_benches::machine`]).

fn main() {
    let axes = std::env::args().nth(1).and_then(|axes| axes.parse().ok());
    let Some(axes @ 1..=rt_core::program::AXES_MAX) = axes else {
        eprintln!("usage: machine_file AXES (1 to {})", rt_core::program::AXES_MAX);
        std::process::exit(2);
    };
    print!("{}", tactus_benches::machine::file(axes));
}
