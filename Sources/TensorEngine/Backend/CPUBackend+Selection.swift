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

    package func squaredRowSums(of x: Tensor, rows: Tensor?, into sums: Tensor) {
        precondition(
            sums.rowCount == 1 && sums.width == rows?.count ?? x.rowCount,
            "squaredRowSums: of \(x.shapeDescription) into \(sums.shapeDescription)")
        sl_squared_row_sums(
            Int64(sums.width), Int64(x.width), x.matrix,
            rows.map { UnsafePointer($0.indices("squaredRowSums, rows", below: x.rowCount)) },
            sums.floats("squaredRowSums, sums"))
    }

    package func elements(ofIndices indices: Tensor, at positions: Tensor) -> Tensor {
        precondition(
            indices.type == .int32 && indices.isContiguous, "elements of \(indices.shapeDescription)")
        let result = makeTensor(rowCount: 1, width: positions.count, type: .int32)
        let values = result.address.assumingMemoryBound(to: Int32.self)
        let from = indices.address.assumingMemoryBound(to: Int32.self)
        let at = positions.indices("elements, positions", below: indices.count)
        for number in 0..<positions.count { values[number] = from[Int(at[number])] }
        return result
    }

    package func positions(of elements: Tensor, in candidates: Tensor) -> Tensor {
        let limit = Int(Int32.max)
        let wanted = elements.indices("positions, elements", below: limit)
        let from = candidates.indices("positions, candidates", below: limit)
        var positions: [Int32] = []
        var next = 0
        for position in 0..<candidates.count {
            while next < elements.count, wanted[next] < from[position] { next += 1 }
            if next < elements.count, wanted[next] == from[position] { positions.append(Int32(position)) }
        }
        return upload(positions)
    }

    package func counts(of elements: Tensor, below boundaries: Tensor) -> Tensor {
        let limit = Int(Int32.max)
        let values = elements.indices("counts, elements", below: limit)
        let ends = boundaries.indices("counts, boundaries", below: limit)
        var count = 0
        return upload(
            (0..<boundaries.count).map { number in
                while count < elements.count, values[count] < ends[number] { count += 1 }
                return Int32(count)
            })
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
