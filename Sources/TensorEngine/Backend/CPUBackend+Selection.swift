// Scoring and choosing channels, on the processor.

internal import CKernels

extension CPUBackend {
    package func columnSums(of x: Tensor, rows: Tensor?, squared: Bool, into sums: Tensor) {
        precondition(
            sums.rowCount == 1 && sums.width == x.width,
            "columnSums: of \(x.shapeDescription) into \(sums.shapeDescription)")
        let indices = rows.map { UnsafePointer($0.indices("columnSums, rows", below: x.rowCount)) }
        sl_column_sums(
            Int64(rows?.count ?? x.rowCount), Int64(x.width), x.matrix, indices, squared,
            sums.floats("columnSums, sums"), false)
    }

    package func selectLargest(_ scores: Tensor, count: Int) -> (kept: Tensor, rest: Tensor) {
        precondition(
            scores.rowCount == 1 && (0...scores.width).contains(count) && scores.width <= Int(Int32.max),
            "selectLargest: \(count) of \(scores.shapeDescription)")
        let kept = makeTensor(rowCount: 1, width: count, type: .int32)
        let rest = makeTensor(rowCount: 1, width: scores.width - count, type: .int32)
        sl_select_largest(
            Int64(scores.width), scores.floats("selectLargest"), Int64(count),
            kept.address.assumingMemoryBound(to: Int32.self), rest.address.assumingMemoryBound(to: Int32.self)
        )
        return (kept, rest)
    }
}
