//! What a program of one's own writes: lines.

use process::line::read;

/// A line is read or refused with a reason, and the same way each time.
pub(crate) fn check(input: &[u8]) {
    for (line, number) in input.split(|byte| *byte == b'\n').zip(1..) {
        let told = read(line.trim_ascii(), number);
        assert_eq!(format!("{told:?}"), format!("{:?}", read(line.trim_ascii(), number)));
        if let Err(why) = told {
            assert!(!why.is_empty(), "a refusal has a reason");
        }
    }
}
