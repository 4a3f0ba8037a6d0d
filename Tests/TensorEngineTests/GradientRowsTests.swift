// Gradients that go on through some rows alone.

@testable import TensorEngine
import TestSupport
import Testing

@Suite struct `Gradients of some rows` {
    private let backend = CPUBackend()

    /// The gradient beneath, and the rows that were chosen.
    private func narrowed(
        _ gradient: [Float], width: Int, candidates: [Int32], share: Double, type: ElementType = .float32
    ) throws -> (gradient: [Float], chosen: GradientRows.Choice) {
        let rowCount = gradient.count / width
        let tape = Tape(backend: backend)
        let x = Variable(
            backend.makeTensor(rowCount: rowCount, width: width, type: type), needsGradient: true)
        let rows = GradientRows()
        let y = tape.keepLargestGradients(
            x, of: backend.upload(candidates), share: share, into: rows)
        #expect(y.value.isSameMemory(as: x.value))
        let given = backend.upload(gradient, rowCount: rowCount, width: width, type: type)
        tape.backward(from: y, gradient: given)
        // Whoever shares the gradient keeps what it holds.
        #expect(backend.download(given) == gradient)
        return (backend.download(try #require(x.gradient)), rows.chosen)
    }

    @Test(arguments: [ElementType.float32, .bfloat16])
    func `are those of the candidates with the largest, and of all other rows`(type: ElementType) throws {
        let gradient: [Float] = [9, 9, 3, 0, -4, 1, 0, 2, 1, 1, -2, 3]
        let result = try narrowed(gradient, width: 2, candidates: [1, 2, 3, 5], share: 0.5, type: type)
        #expect(backend.downloadIndices(result.chosen.rows) == [2, 5])
        #expect(backend.downloadIndices(result.chosen.positions) == [1, 3])
        #expect(result.gradient == [9, 9, 0, 0, -4, 1, 0, 0, 1, 1, -2, 3])
    }

    @Test func `of equal ones are the lower rows', and at least one row's`() throws {
        let result = try narrowed([1, -1, 1, 5], width: 1, candidates: [0, 1, 2], share: 0.01)
        #expect(result.gradient == [1, 0, 0, 5])
        let two = try narrowed([1, -1, 1, 5], width: 1, candidates: [0, 1, 2], share: 0.6)
        #expect(two.gradient == [1, -1, 0, 5])
    }

    @Test func `are all of them at a share of one`() throws {
        let result = try narrowed([1, 2, 3], width: 1, candidates: [0, 2], share: 1)
        #expect(result.gradient == [1, 2, 3])
        #expect(backend.downloadIndices(result.chosen.rows) == [0, 2])
    }

    @Test func `are nothing to a tape that does not record`() {
        let tape = Tape(backend: backend, isRecording: false)
        let x = tape.constant(backend.makeTensor(rowCount: 2, width: 2, type: .float32))
        let y = tape.keepLargestGradients(x, of: backend.upload([0]), share: 0.5, into: GradientRows())
        #expect(y === x)
    }
}
