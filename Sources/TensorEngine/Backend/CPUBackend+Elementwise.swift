// The operations between matrix products, on the processor.

internal import CKernels

extension CPUBackend {
    package func rmsNorm(
        _ x: Tensor, weight: Tensor, offset: Float, epsilon: Float, into y: Tensor, inverseRMS: Tensor
    ) {
        precondition(
            x.rowCount == y.rowCount && x.width == y.width && weight.count == x.width
                && inverseRMS.count == x.rowCount,
            "rmsNorm: x \(x.shapeDescription), weight \(weight.shapeDescription), y \(y.shapeDescription)")
        sl_rms_norm(
            Int64(x.rowCount), Int64(x.width), x.matrix, weight.floats("rmsNorm, weight"), offset,
            epsilon, y.matrix, inverseRMS.floats("rmsNorm, inverse RMS"))
    }

    package func rmsNormBackward(
        _ x: Tensor, weight: Tensor, offset: Float, inverseRMS: Tensor, outputGradient: Tensor,
        into inputGradient: Tensor, accumulates: Bool
    ) {
        requireSameShape("rmsNormBackward", x, outputGradient, inputGradient)
        precondition(
            weight.count == x.width && inverseRMS.count == x.rowCount,
            "rmsNormBackward: x \(x.shapeDescription), weight \(weight.shapeDescription), "
                + "\(inverseRMS.count) inverse RMS")
        sl_rms_norm_backward(
            Int64(x.rowCount), Int64(x.width), x.matrix, weight.floats("rmsNormBackward, weight"), offset,
            inverseRMS.floats("rmsNormBackward, inverse RMS"), outputGradient.matrix, inputGradient.matrix,
            accumulates)
    }

    package func rotate(
        _ x: Tensor, headWidth: Int, rotaryWidth: Int, positions: Tensor, cosines: Tensor, sines: Tensor,
        direction: Float
    ) {
        precondition(
            headWidth > 0 && x.width % headWidth == 0 && (0...headWidth).contains(rotaryWidth)
                && rotaryWidth % 2 == 0 && positions.count == x.rowCount && cosines.width == rotaryWidth / 2
                && sines.width == cosines.width && sines.rowCount == cosines.rowCount,
            "rotate: \(x.shapeDescription), heads of \(headWidth), \(positions.count) positions, "
                + "table \(cosines.shapeDescription) for width \(rotaryWidth)")
        sl_rotary(
            Int64(x.rowCount), Int64(x.width / headWidth), Int64(headWidth), Int64(rotaryWidth), x.matrix,
            positions.indices("rotate, positions", below: cosines.rowCount),
            cosines.floats("rotate, cosines"),
            sines.floats("rotate, sines"), direction)
    }

    package func gate(
        _ activation: GateActivation, gate: Tensor, up: Tensor, rows: Tensor?, into output: Tensor
    ) {
        let chosen = chosenRows("gate", gate, up, rows, for: output)
        sl_gated(
            Int64(output.rowCount), Int64(gate.width), Self.kernelActivation(activation), chosen,
            gate.matrix, up.matrix, output.matrix)
    }

    package func gateBackward(
        _ activation: GateActivation, gate: Tensor, up: Tensor, rows: Tensor?, outputGradient: Tensor,
        gateGradient: Tensor, upGradient: Tensor
    ) {
        requireSameShape("gateBackward", outputGradient, gateGradient, upGradient)
        let chosen = chosenRows("gateBackward", gate, up, rows, for: outputGradient)
        sl_gated_backward(
            Int64(outputGradient.rowCount), Int64(gate.width), Self.kernelActivation(activation), chosen,
            gate.matrix, up.matrix, outputGradient.matrix, gateGradient.matrix, upGradient.matrix)
    }

    /// Checks that gate and up have a row for each of the result's.
    private func chosenRows(
        _ operation: StaticString, _ gate: Tensor, _ up: Tensor, _ rows: Tensor?, for result: Tensor
    ) -> UnsafePointer<Int32>? {
        requireSameShape("\(operation)", gate, up)
        guard let rows else {
            requireSameShape("\(operation)", gate, result)
            return nil
        }
        precondition(
            rows.count == result.rowCount && gate.width == result.width,
            "\(operation): \(rows.count) rows of \(gate.shapeDescription) for \(result.shapeDescription)")
        return UnsafePointer(rows.indices(operation, below: gate.rowCount))
    }

    private static func kernelActivation(_ activation: GateActivation) -> sl_activation {
        switch activation {
        case .silu: SL_SILU
        case .geluTanh: SL_GELU_TANH
        }
    }

    package func gatherRows(of table: Tensor, indices: Tensor, scale: Float, into output: Tensor) {
        precondition(
            indices.count == output.rowCount && table.width == output.width,
            "gatherRows: \(indices.count) rows of \(table.shapeDescription) into \(output.shapeDescription)")
        sl_gather_rows(
            Int64(output.rowCount), Int64(output.width), table.matrix,
            indices.indices("gatherRows", below: table.rowCount), scale, output.matrix)
    }

    package func scatterRows(_ rows: Tensor, indices: Tensor, into output: Tensor, accumulates: Bool) {
        precondition(
            indices.count == rows.rowCount && rows.width == output.width,
            "scatterRows: \(rows.shapeDescription) into \(output.shapeDescription)")
        sl_scatter_rows(
            Int64(rows.rowCount), Int64(rows.width), rows.matrix,
            indices.indices("scatterRows", below: output.rowCount), output.matrix, accumulates)
    }

    package func sumRows(of x: Tensor, starts: Tensor, members: Tensor, into output: Tensor) {
        precondition(
            starts.count == output.rowCount + 1 && x.width == output.width,
            "sumRows: \(x.shapeDescription) into \(output.shapeDescription) by \(starts.count) starts")
        sl_sum_rows(
            Int64(output.rowCount), Int64(output.width), x.matrix,
            starts.indices("sumRows, starts", below: members.count + 1),
            members.indices("sumRows, members", below: x.rowCount), output.matrix)
    }

    package func add(_ a: Tensor, _ b: Tensor, into output: Tensor) {
        requireSameShape("add", a, b, output)
        sl_add(Int64(a.rowCount), Int64(a.width), a.matrix, b.matrix, output.matrix)
    }

    package func copy(_ x: Tensor, scale: Float, into output: Tensor) {
        requireSameShape("copy", x, output)
        sl_scale(Int64(x.rowCount), Int64(x.width), scale, x.matrix, output.matrix)
    }

    package func fill(_ output: Tensor, with value: Float) {
        sl_fill(Int64(output.rowCount), Int64(output.width), value, output.matrix)
    }

    package func dropout(_ x: Tensor, rate: Float, seed: UInt64, into output: Tensor) {
        requireSameShape("dropout", x, output)
        sl_dropout(Int64(x.rowCount), Int64(x.width), rate, seed, x.matrix, output.matrix)
    }

    package func crossEntropyBlock(
        logits: Tensor, firstColumn: Int, labels: Tensor, softcap: Float, state: Tensor, sums: Tensor?
    ) {
        precondition(
            logits.type == .float32 && labels.count == logits.rowCount && state.rowCount == logits.rowCount
                && state.width == Int(SL_LOSS_STATE)
                && (sums.map { $0.rowCount == logits.rowCount && $0.type == .float32 } ?? true),
            "crossEntropyBlock: \(logits.shapeDescription), \(labels.count) labels, state \(state.shapeDescription)"
        )
        sl_cross_entropy_block(
            Int64(logits.rowCount), Int64(logits.width), Int64(firstColumn), logits.matrix,
            labels.indices("crossEntropyBlock, labels", from: .min, below: .max), softcap,
            state.floats("crossEntropyBlock, state"), Int64(sums?.width ?? 0), sums?.matrix ?? noMatrix)
    }

    package func probableColumns(
        ofLogits logits: Tensor, labels: Tensor, state: Tensor, threshold: Float
    ) -> Tensor {
        precondition(
            logits.type == .float32 && labels.count == logits.rowCount && state.rowCount == logits.rowCount
                && state.width == Int(SL_LOSS_STATE),
            "probableColumns: \(logits.shapeDescription), \(labels.count) labels, state \(state.shapeDescription)"
        )
        let peaks = makeTensor(rowCount: 1, width: logits.width, type: .float32)
        sl_cross_entropy_peaks(
            Int64(logits.rowCount), Int64(logits.width), logits.matrix,
            labels.indices("probableColumns, labels", from: .min, below: .max),
            state.floats("probableColumns, state"), peaks.floats("probableColumns"))
        let kept = makeTensor(rowCount: 1, width: logits.width, type: .int32)
        let count = sl_select_at_least(
            Int64(logits.width), peaks.floats("probableColumns"), threshold,
            kept.address.assumingMemoryBound(to: Int32.self))
        return kept.columns(0..<Int(count))
    }

    package func endCrossEntropy(
        labels: Tensor, state: Tensor, losses: Tensor, sums: Tensor?, head: Tensor, gradientScale: Float,
        gradient: Tensor?
    ) {
        precondition(
            losses.count == labels.count && state.rowCount == labels.count
                && (sums == nil) == (gradient == nil),
            "endCrossEntropy: \(labels.count) labels, state \(state.shapeDescription), \(losses.count) losses"
        )
        if let sums, let gradient { requireSameShape("endCrossEntropy", sums, gradient) }
        sl_cross_entropy_end(
            Int64(labels.count), labels.indices("endCrossEntropy, labels", from: .min, below: head.rowCount),
            state.floats("endCrossEntropy, state"), losses.floats("endCrossEntropy, losses"),
            Int64(head.width),
            sums?.matrix ?? noMatrix, head.matrix, gradientScale, gradient?.matrix ?? noMatrix)
    }

    private var noMatrix: sl_matrix { sl_matrix(data: nil, type: SL_F32, stride: 0) }

    func requireSameShape(_ operation: String, _ tensors: Tensor...) {
        guard let first = tensors.first else { return }
        for tensor in tensors.dropFirst() {
            precondition(
                tensor.rowCount == first.rowCount && tensor.width == first.width,
                "\(operation): \(first.shapeDescription) and \(tensor.shapeDescription) differ")
        }
    }
}
