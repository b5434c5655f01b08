//! Brings a segment to Op with stock ethercrab, as its examples do: `stock-ethercrab IFACE`.
//!
//! Prints `OP n devices` and exits 0 when every device reached Op and 100 cycles had the right working counter.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use ethercrab::error::Error;
use ethercrab::std::{ethercat_now, tx_rx_task};
use ethercrab::subdevice_group::{
    CycleInfo, DcConfiguration, HasDc, NoDc, Op, PreOpPdi, TxRxResponse,
};
use ethercrab::{
    DcSync, DefaultLock, MainDevice, MainDeviceConfig, PduStorage, RegisterAddress, SubDevice,
    SubDeviceGroup, SubDeviceRef, Timeouts,
};

const SUBDEVICES_MAX: usize = 64;
const PDI_MAX: usize = 1024;
const PDU_DATA_MAX: usize = PduStorage::element_size(1100);
const FRAMES_MAX: usize = 16;
const PERIOD: Duration = Duration::from_millis(2);
const CYCLES: u32 = 100;
/// Clocks that differ less are aligned, ns.
const ALIGNED_NS: u32 = 2_000;

/// All devices of the segment, in an AL state, with distributed clocks or without.
type Group<State, Clocks> = SubDeviceGroup<SUBDEVICES_MAX, PDI_MAX, DefaultLock, State, Clocks>;

static PDU_STORAGE: PduStorage<FRAMES_MAX, PDU_DATA_MAX> = PduStorage::new();

fn main() -> ExitCode {
    env_logger::init();
    let Some(interface) = std::env::args().nth(1) else {
        eprintln!("usage: stock-ethercrab IFACE");
        return ExitCode::from(2);
    };
    match smol::block_on(bring_up(&interface)) {
        Ok(devices) => {
            println!("OP {devices} devices");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Device profile 402 in object 0x1000; a device without mailbox is none.
async fn is_drive(subdevice: &SubDeviceRef<'_, &mut SubDevice>) -> bool {
    let profile = subdevice.sdo_read::<u32>(0x1000, 0).await;
    profile.is_ok_and(|kind| kind & 0xFFFF == 402)
}

async fn bring_up(interface: &str) -> Result<usize, Error> {
    let maindevice = start(interface);
    let mut group = maindevice.init_single_group::<SUBDEVICES_MAX, PDI_MAX>(ethercat_now).await?;
    for mut subdevice in group.iter_mut(&maindevice) {
        println!("found {} {:?}", subdevice.name(), subdevice.identity());
        if is_drive(&subdevice).await {
            subdevice.set_dc_sync(DcSync::Sync0);
        }
    }
    let group = group.into_pre_op_pdi(&maindevice).await?;
    align_clocks(&group, &maindevice).await?;
    let configuration = DcConfiguration {
        start_delay: Duration::from_millis(100),
        sync0_period: PERIOD,
        sync0_shift: PERIOD / 2,
    };
    let group = group.configure_dc_sync(&maindevice, configuration).await?;
    let group = group.into_safe_op(&maindevice).await?;
    let group = group.request_into_op(&maindevice).await?;
    let working_counter = cycle(&group, &maindevice).await?;
    println!("working counter {working_counter} in {CYCLES} cycles");
    Ok(group.len())
}

/// The MainDevice, its frames sent and received by a task of their own.
fn start(interface: &str) -> MainDevice<'static> {
    let (tx, rx, pdu_loop) = PDU_STORAGE.try_split().expect("split once");
    let timeouts = Timeouts {
        state_transition: Duration::from_secs(10),
        pdu: Duration::from_millis(500),
        eeprom: Duration::from_millis(500),
        mailbox_response: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let config =
        MainDeviceConfig { dc_static_sync_iterations: 1_000, ..MainDeviceConfig::default() };
    smol::spawn(tx_rx_task(interface, tx, rx).expect("interface")).detach();
    MainDevice::new(pdu_loop, timeouts, config)
}

/// Distributes the reference clock until all others follow it, for at most 20 s.
async fn align_clocks(
    group: &Group<PreOpPdi, NoDc>,
    maindevice: &MainDevice<'static>,
) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        group.tx_rx_sync_system_time(maindevice).await?;
        let mut worst = 0;
        for subdevice in group.iter(maindevice) {
            match subdevice.register_read::<u32>(RegisterAddress::DcSystemTimeDifference).await {
                Ok(difference) => worst = worst.max(difference & 0x7FFF_FFFF),
                Err(Error::WorkingCounter { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if worst < ALIGNED_NS && started.elapsed() > Duration::from_millis(500) {
            println!("clocks aligned to {worst} ns in {} ms", started.elapsed().as_millis());
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(20) {
            eprintln!("clocks still differ by {worst} ns");
            return Err(Error::Internal);
        }
        smol::Timer::after(PERIOD).await;
    }
}

/// Cycles until all are in Op, for at most 10 s, then [`CYCLES`] times; returns the working counter, the same in all of these.
async fn cycle(group: &Group<Op, HasDc>, maindevice: &MainDevice<'static>) -> Result<u16, Error> {
    let requested = Instant::now();
    let mut expected = None;
    let mut left = CYCLES;
    while left > 0 {
        let now = Instant::now();
        let response @ TxRxResponse {
            working_counter,
            extra: CycleInfo { next_cycle_wait, .. },
            ..
        } = group.tx_rx_dc(maindevice).await?;
        if response.all_op() {
            if working_counter != *expected.get_or_insert(working_counter) || working_counter == 0 {
                eprintln!("working counter {working_counter}, before {expected:?}");
                return Err(Error::Internal);
            }
            left -= 1;
        } else if requested.elapsed() > Duration::from_secs(10) {
            return Err(Error::StateTransition);
        }
        smol::Timer::at(now + next_cycle_wait).await;
    }
    Ok(expected.unwrap_or(0))
}
