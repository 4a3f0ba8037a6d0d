// A loader that forgets a tensor, or asks for one that is not there, is told.

import Checkpoints
import FileSupport
import Testing

@Suite struct TensorLedgerTests {
    @Test func reportsWhatIsMissingAndWhatIsLeftOver() throws {
        let ledger = TensorLedger(try SafetensorsFolder(path: golden("sharded")))
        #expect(throws: InputError.self) { try ledger.finish() }
        for layer in 0..<2 { _ = try ledger.take("model.layers.\(layer).weight", shape: [8, 16]) }
        #expect(ledger.unused == ["model.layers.2.weight", "model.norm.weight"])
        #expect(throws: InputError.self) { try ledger.take("model.layers.3.weight", shape: [8, 16]) }
        #expect(try ledger.takeIfPresent("lm_head.weight", shape: [8, 16]) == nil)
        let error = #expect(throws: InputError.self) { try ledger.take("model.norm.weight", shape: [17]) }
        #expect(error?.problem == "expected shape [17], found [16]")
        #expect(try ledger.takeIfPresent("model.norm.weight", shape: [16])?.elementCount == 16)
        let leftOver = #expect(throws: InputError.self) { try ledger.finish() }
        #expect(leftOver?.problem == "the tensor model.layers.2.weight belongs to no part of the model")
        ledger.ignore("model.layers.2.weight")
        try ledger.finish()
    }
}
