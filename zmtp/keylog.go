package zmtp

import (
	"io"
	"log/slog"
	"sync"
)

// keyLog writes the lines of Config.InsecureKeyLog. If it is nil, no keys are logged.
type keyLog struct {
	to     io.Writer
	log    *slog.Logger
	failed sync.Once
}

// keyLogs serializes writes: several Configs may have the same writer.
var keyLogs sync.Mutex

// writer returns the function that package curve calls with each line, or nil if there is no
// key log.
func (k *keyLog) writer() func(line []byte) {
	if k == nil {
		return nil
	}
	return k.write
}

func (k *keyLog) write(line []byte) {
	keyLogs.Lock()
	defer keyLogs.Unlock()
	if _, err := k.to.Write(line); err != nil {
		k.failed.Do(func() { k.log.Error("writing the key log failed", "err", err) })
	}
}

// warn warns of the key log, if there is one.
func (k *keyLog) warn() {
	if k != nil {
		k.log.Warn("keys are logged: connections can be decrypted")
	}
}
