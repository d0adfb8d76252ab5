module github.com/zcurve/zcurve

go 1.26.0
