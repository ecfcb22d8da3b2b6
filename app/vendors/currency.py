"""How many digits a currency has behind the point: ISO 4217's list of exponents that are not 2."""

_WITHOUT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE = "BHD IQD JOD KWD LYD OMR TND"


def digits(currency: str) -> int:
    if currency in _WITHOUT.split():
        return 0
    return 3 if currency in _WITH_THREE.split() else 2
