// Sums, scalings and row selections between the blocks.

extension Tape {
    /// The residual sum a + b [T, D]. Both sides receive the same gradient tensor; whoever adds to it first copies.
    package func add(_ a: Variable, _ b: Variable) -> Variable {
        precondition(
            a.value.type == b.value.type, "add: \(a.value.shapeDescription) and \(b.value.shapeDescription)")
        let output = backend.makeTensor(
            rowCount: a.value.rowCount, width: a.value.width, type: a.value.type)
        backend.add(a.value, b.value, into: output)
        guard records(a, b) else { return constant(output) }
        let (aSlot, bSlot) = (a.gradientSlot, b.gradientSlot)
        return record(output) { [backend] gradient in
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
