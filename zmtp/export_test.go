package zmtp

// The refusals, each with its own sentence, for the tests outside the package.
var (
	ErrNotZMTP     = errNotZMTP
	ErrVersion     = errVersion
	ErrBothServers = errBothServers
	ErrBothClients = errBothClients
	ErrSocketType  = errSocketType
	ErrFrame       = errFrame
	ErrCommand     = errCommand
	ErrMessageSize = errMessageSize
	ErrParts       = errParts
	ErrNoParts     = errNoParts
	ErrConfig      = errConfig
)

// FarewellPatience is how long a client that must leave can stay.
const FarewellPatience = farewellPatience
