// The public face of the package: one import gives a user of the library everything.

@_exported public import FileSupport
