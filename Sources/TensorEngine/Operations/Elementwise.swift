// Sums, scalings and row selections between the blocks.

extension Tape {
    /// The residual sum a + b [T, D]. Both sides receive the same gradient tensor; whoever adds to it first copies.
    ///
    /// Where one side is kept and the other made again (a normalised result), so is the sum. Where both are made again it
    /// is kept: making it would otherwise lead from block to block back to the first one.
    package func add(_ a: Variable, _ b: Variable) -> Variable {
        precondition(
            a.value.type == b.value.type, "add: \(a.value.shapeDescription) and \(b.value.shapeDescription)")
        let sum = { [backend] (a: Tensor, b: Tensor) in
            let output = backend.makeTensor(rowCount: a.rowCount, width: a.width, type: a.type)
            backend.add(a, b, into: output)
            return output
        }
        let output = sum(a.value, b.value)
        guard records(a, b) else { return constant(output) }
        let (aSlot, bSlot) = (a.gradientSlot, b.gradientSlot)
        let makes = (a.saved.making == nil) != (b.saved.making == nil)
        let making = makes ? { [a = a.saved, b = b.saved] in sum(a.tensor, b.tensor) } : nil
        return record(output, making: making) { [backend] gradient in
            aSlot?.contribute(gradient, on: backend)
            bSlot?.contribute(gradient, on: backend)
        }
    }

    /// scale * x.
    package func scale(_ x: Variable, by factor: Float) -> Variable {
        let output = backend.makeTensor(
            rowCount: x.value.rowCount, width: x.value.width, type: x.value.type)
        backend.copy(x.value, scale: factor, into: output)
        guard isRecording, let slot = x.gradientSlot else { return constant(output) }
        return record(output) { [backend] gradient in
            let scaled = backend.makeTensor(
                rowCount: gradient.rowCount, width: gradient.width, type: gradient.type)
            backend.copy(gradient, scale: factor, into: scaled)
            slot.contribute(scaled, on: backend)
        }
    }

    /// Rows `indices` (int32, distinct) of x: the last block computes only the rows whose output is used.
    package func selectRows(_ x: Variable, _ indices: Tensor) -> Variable {
        let output = backend.gathered(x.value, rows: indices)
        guard isRecording, let slot = x.gradientSlot else { return constant(output) }
        return record(output) { [backend] gradient in
            let (target, accumulates) = slot.target(on: backend)
            if !accumulates { backend.fill(target, with: 0) }
            backend.scatterRows(gradient, indices: indices, into: target, accumulates: accumulates)
        }
    }

    /// Rows of a frozen embedding table, scaled: tokens int32 [T] -> [T, D] in `type`.
    package func embedding(
        _ tokens: Tensor, table: Tensor, scale: Float = 1, type: ElementType
    ) -> Variable {
        let output = backend.makeTensor(rowCount: tokens.count, width: table.width, type: type)
        backend.gatherRows(of: table, indices: tokens, scale: scale, into: output)
        return constant(output)
    }
}
