//! `flight-cost CYCLES [planted]`: so many cycles of the flight recorder, for callgrind. `planted` does needless work in each.

use tactus_benches::flight::Flying;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let cycles: u64 = arguments.next().and_then(|text| text.parse().ok()).expect("CYCLES");
    let planted = arguments.next().is_some_and(|word| word == "planted");
    let mut flying = Flying::new();
    for _ in 0..cycles {
        flying.cycle();
        if planted {
            std::hint::black_box((0..64_u64).map(std::hint::black_box).sum::<u64>());
        }
    }
    assert_eq!(flying.recorded(), cycles);
}
