package settings

import (
	"testing"

	"github.com/zcurve/zcurve/internal/ztest"
)

func TestMain(m *testing.M) { ztest.Main(m) }
