//! The sleep of the cycle: never early, whatever happens.

use std::os::unix::thread::JoinHandleExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use rt_linux::Monotonic;
use rt_linux::clock::now;

const MILLISECOND: u64 = 1_000_000;

#[test]
fn a_sleep_is_never_early_with_and_without_a_spin_tail() {
    for spin_tail in [0, 60_000, 5 * MILLISECOND] {
        let mut clock = Monotonic::new(spin_tail);
        let mut next = now();
        for _ in 0..50 {
            next += MILLISECOND;
            let woke = clock.sleep_until(next);
            assert!(woke >= next, "{} ns early", next - woke);
            assert!(now() >= woke, "the time given back has come");
        }
        assert_eq!(clock.failed(), 0);
    }
}

#[test]
fn a_time_in_the_past_returns_at_once() {
    let mut clock = Monotonic::new(0);
    let start = now();
    for past in [0, 1, start] {
        assert!(clock.sleep_until(past) >= start);
    }
    assert!(now() - start < 1_000 * MILLISECOND);
    assert_eq!((clock.failed(), clock.interrupted()), (0, 0));
}

#[test]
fn a_signal_does_not_shorten_the_sleep() {
    // given a thread asleep, and a signal with a handler
    let caught = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(libc::SIGUSR2, Arc::clone(&caught)).expect("a handler");
    let sleeping = thread::spawn(|| {
        let mut clock = Monotonic::new(0);
        let wake = now() + 1_000 * MILLISECOND;
        (wake, clock.sleep_until(wake), clock.interrupted())
    });
    // when it is interrupted several times
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(20));
        // SAFETY: the thread has not been joined, so its id is valid.
        let sent = unsafe { libc::pthread_kill(sleeping.as_pthread_t(), libc::SIGUSR2) };
        assert_eq!(sent, 0);
    }
    // then it sleeps on to the same time
    let (wake, woke, interrupted) = sleeping.join().expect("the sleeper ends");
    assert!(interrupted >= 2, "it slept again after a signal, and was interrupted again");
    assert!(woke >= wake, "{} ns early", wake - woke);
    assert!(caught.load(std::sync::atomic::Ordering::Acquire));
}
