//! Memory of a device that grows as needed.

use super::{Device, DeviceError};

/// Memory that grows as needed.
pub(super) struct Growing<D: Device> {
    buffer: Option<D::Buffer>,
    bytes: usize,
}

impl<D: Device> Growing<D> {
    pub(super) fn none() -> Growing<D> {
        Growing { buffer: None, bytes: 0 }
    }

    /// At least so many bytes; what was in it is lost where it grows.
    pub(super) fn with(&mut self, device: &D, bytes: usize) -> Result<&mut D::Buffer, DeviceError> {
        if self.bytes < bytes || self.buffer.is_none() {
            // The old memory is freed first.
            self.buffer = None;
            self.bytes = bytes.next_power_of_two().max(256);
        }
        match &mut self.buffer {
            Some(buffer) => Ok(buffer),
            none => Ok(none.insert(device.allocate(self.bytes)?)),
        }
    }

    /// Its address; 0: it is none yet.
    pub(super) fn address(&self, device: &D) -> u64 {
        self.buffer.as_ref().map_or(0, |buffer| device.address(buffer))
    }

    /// The address of these numbers, which are copied there.
    pub(super) fn filled<T: bytemuck::NoUninit>(
        &mut self,
        device: &D,
        numbers: &[T],
    ) -> Result<u64, DeviceError> {
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        let buffer = self.with(device, bytes.len())?;
        device.write(buffer, 0, bytes)?;
        Ok(device.address(buffer))
    }
}

/// Memory with these numbers.
pub(super) fn copied<D: Device, T: bytemuck::NoUninit>(
    device: &D,
    numbers: &[T],
) -> Result<D::Buffer, DeviceError> {
    let bytes: &[u8] = bytemuck::cast_slice(numbers);
    let mut buffer = device.allocate(bytes.len().max(8))?;
    device.write(&mut buffer, 0, bytes)?;
    Ok(buffer)
}
