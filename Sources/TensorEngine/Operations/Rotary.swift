// Rotary position embedding (arXiv 2104.09864), half-split convention: d is paired with d + width / 2.

/// Angles of every position, made once per model: cosines and sines f32 [positions, rotaryWidth / 2].
package struct RotaryTable {
    package let cosines: Tensor
    package let sines: Tensor

    package init(cosines: Tensor, sines: Tensor) {
        self.cosines = cosines
        self.sines = sines
    }

    package var rotaryWidth: Int { 2 * cosines.width }
    package var positionCount: Int { cosines.rowCount }
}

extension Tape {
    /// Rotates x [T, heads * headWidth] by the angles of `positions` (int32 [T]).
    ///
    /// The rotation happens in x's own memory, because nothing needs the unrotated value: x must be the fresh result
    /// of an operation whose pullback does not read it (a linear layer or a norm copy), and must not be used again.
    package func rotary(
        _ x: Variable, headWidth: Int, table: RotaryTable, positions: Tensor
    ) -> Variable {
        let rotate = { [backend] (x: Tensor, direction: Float) in
            backend.rotate(
                x, headWidth: headWidth, rotaryWidth: table.rotaryWidth, positions: positions,
                cosines: table.cosines, sines: table.sines, direction: direction)
        }
        rotate(x.value, 1)
        guard isRecording, let slot = x.gradientSlot else { return constant(x.value) }
        // A normalised query or key is rotated as it is made again.
        let making = x.saved.making.map { make in
            {
                let value = make()
                rotate(value, 1)
                return value
            }
        }
        return record(x.value, making: making) { [backend] gradient in
            gradient.makeStorageUnique(on: backend)
            rotate(gradient, -1)
            slot.contribute(gradient, on: backend)
        }
    }
}
