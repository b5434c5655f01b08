//! `tactus`: the command line over the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use rt_linux::CountingAllocator;

/// Counts what each thread asks of the allocator: the cyclic thread must ask for nothing.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    ExitCode::from(supervisor::app::main(std::env::args_os()))
}
