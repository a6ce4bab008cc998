//! Who goes first where cores are few: those that watch.

/// How far a thread steps back; 19 is the most, and even then it is not starved.
const STEP: i32 = 15;

/// Has the calling thread, and those that it starts from here on, wait for threads that have not called this: what
/// stores, draws and writes files gives way to what captures, decodes and judges. Where the system does not know such a
/// thing, all are equal.
pub fn give_way() {
    // Nobody is refused to step back; where it does not work, the worst is that an alert waits.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, STEP);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_steps_back_and_no_other() {
        let before = rustix::process::getpriority_process(None).unwrap();
        let aside = std::thread::spawn(|| {
            give_way();
            rustix::process::getpriority_process(None).unwrap()
        });
        assert_eq!(aside.join().unwrap(), STEP.max(before));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), before);
    }
}
