// The choice of the rows whose gradients a layer computes.

@testable import TensorEngine
import TestSupport
import Testing

@Suite struct `Rows with the largest gradients` {
    private let backend = CPUBackend()

    /// Which rows are chosen of all and of some.
    private func chosen(
        _ gradient: [Float], width: Int, share: Double, among candidates: [Int32] = [],
        type: ElementType = .float32
    ) throws -> (all: [Int32], rows: [Int32], positions: [Int32]) {
        let rowCount = gradient.count / width
        let tape = Tape(backend: backend)
        let x = Variable(
            backend.makeTensor(rowCount: rowCount, width: width, type: type), needsGradient: true)
        let (all, some) = (GradientRows(among: nil), GradientRows(among: backend.upload(candidates)))
        let y = tape.choosingGradientRows(x, share: share, into: [all, some])
        #expect(y.value.isSameMemory(as: x.value))
        tape.backward(
            from: y, gradient: backend.upload(gradient, rowCount: rowCount, width: width, type: type))
        // The gradient itself goes on whole.
        #expect(backend.download(try #require(x.gradient)) == gradient)
        #expect(
            backend.downloadIndices(all.chosen.rows) == backend.downloadIndices(all.chosen.positions))
        return (
            backend.downloadIndices(all.chosen.rows), backend.downloadIndices(some.chosen.rows),
            backend.downloadIndices(some.chosen.positions)
        )
    }

    @Test(arguments: [ElementType.float32, .bfloat16])
    func `are chosen by their norms, and found among some rows`(type: ElementType) throws {
        let gradient: [Float] = [2, 2, 3, 0, -4, 1, 0, 2, 1, 1, -2, 3]
        let result = try chosen(gradient, width: 2, share: 0.5, among: [0, 2, 3, 5], type: type)
        #expect(result.all == [1, 2, 5])
        #expect(result.rows == [2, 5])
        #expect(result.positions == [1, 3])
    }

    @Test func `are the lower ones of equals, and at least one`() throws {
        #expect(try chosen([1, -1, 1, 0.5], width: 1, share: 0.01).all == [0])
        #expect(try chosen([1, -1, 1, 0.5], width: 1, share: 0.5).all == [0, 1])
    }

    @Test func `are all of them at a share of one, and none among none`() throws {
        let result = try chosen([1, 2, 3], width: 1, share: 1)
        #expect(result.all == [0, 1, 2])
        #expect(result.rows.isEmpty && result.positions.isEmpty)
    }

    @Test func `are nothing to a tape that does not record`() {
        let tape = Tape(backend: backend, isRecording: false)
        let x = tape.constant(backend.makeTensor(rowCount: 2, width: 2, type: .float32))
        #expect(tape.choosingGradientRows(x, share: 0.5, into: [GradientRows(among: nil)]) === x)
    }
}
