//! `counted NAME [PLANTED]`: does one piece of [`tactus_benches::counted`] for callgrind to count; `PLANTED` turns of a loop are done
//! with it each time. Without arguments: lists what there is, with how often each is done.

use std::hint::black_box;
use std::process::ExitCode;

use tactus_benches::counted;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for counted in &counted::ALL {
            println!("{} {}", counted.name, counted.repeats);
        }
        return ExitCode::SUCCESS;
    };
    let turns = arguments.next().map_or(Ok(0), |turns| turns.parse::<u32>());
    let (Some(counted), Ok(turns)) = (counted::find(&name), turns) else {
        eprintln!("usage: counted [NAME [PLANTED]]; there is no {name}, or PLANTED is no number");
        return ExitCode::from(2);
    };
    counted.run(&mut || {
        for turn in 0..turns {
            black_box(turn);
        }
    });
    ExitCode::SUCCESS
}
