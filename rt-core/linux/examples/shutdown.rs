//! Waits to be asked to end; with `--stubborn` it then goes on waiting, until it is forced.

use std::io::Write;
use std::time::Duration;

use rt_linux::signal::Shutdown;

fn main() -> std::io::Result<()> {
    let stubborn = std::env::args().any(|argument| argument == "--stubborn");
    let shutdown = Shutdown::install()?;
    println!("ready");
    std::io::stdout().flush()?;
    let pause = || std::thread::sleep(Duration::from_millis(5));
    while !shutdown.requested() {
        pause();
    }
    println!("asked");
    std::io::stdout().flush()?;
    if stubborn {
        loop {
            pause();
        }
    }
    Ok(())
}
