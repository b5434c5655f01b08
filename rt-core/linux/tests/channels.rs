//! The channels of the real-time thread under the guard: memory is allocated by their constructors
//! only.

use rt_channel::{latest, stream};
use rt_linux::CountingAllocator;
use rt_linux::guard::{Counts, is_counting, thread_counts};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn a_stream_allocates_in_its_constructor_only() {
    assert!(is_counting());
    let before = thread_counts();
    let (mut producer, mut consumer) = stream::channel::<[u64; 8]>(16);
    assert!(thread_counts().since(before).allocations > 0);
    let before = thread_counts();
    let mut sum = 0;
    for n in 0..1000 {
        producer.push([n; 8]);
        if n % 40 == 0 {
            sum += consumer.drain(10, |sequence, item| assert_eq!(item[0], sequence));
            sum += usize::from(consumer.pop().is_some());
        }
    }
    assert!(sum > 0 && producer.dropped() > 0, "both the full and the empty ring were met");
    // The end that goes first frees nothing.
    drop(producer);
    assert_eq!(thread_counts().since(before), Counts::default());
}

#[test]
fn a_latest_value_allocates_in_its_constructor_only() {
    let before = thread_counts();
    let (mut writer, mut reader) = latest::channel([0_u64; 64]);
    assert!(thread_counts().since(before).allocations > 0);
    let before = thread_counts();
    for n in 1..1000 {
        writer.write([n; 64]);
        writer.write_with(|value| value[0] += 1);
        assert_eq!(reader.read()[0], n + 1);
    }
    drop(writer);
    assert_eq!(thread_counts().since(before), Counts::default());
}
