"""One Enhanced MR object in place of the classic images of a series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import EnhancedMRImageStorage

# What lies in functional groups, or has another name in an enhanced object.
_MOVED = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices",
    "SliceLocation", "TriggerTime", "EchoTime", "InversionTime", "RepetitionTime", "FlipAngle", "EchoTrainLength",
    "ImageType", "ScanningSequence", "SequenceVariant", "ScanOptions", "SequenceName", "AcquisitionDate",
    "AcquisitionTime", "AcquisitionNumber", "NominalInterval", "HeartRate", "CardiacNumberOfImages", "AngioFlag",
    "NumberOfAverages", "EchoNumbers", "ImagingFrequency", "ImagedNucleus", "WindowCenter", "WindowWidth", "PixelData",
)  # fmt: skip
# Values of Siemens' ImageType that are kept behind those of the standard, as its scanners do.
_CORRECTIONS = ("NORM", "DIS2D", "ND")
_COMPONENTS = {"R": "REAL", "R_IR": "REAL", "R_FFE": "REAL"}
# PS3.3 C.8.13.4: what a sequence of this kind does not do.
_PULSE_SEQUENCE = {
    "MultiPlanarExcitation": "NO",
    "PhaseContrast": "NO",
    "TimeOfFlightContrast": "NO",
    "EchoPlanarPulseSequence": "NO",
    "SaturationRecovery": "NO",
    "SpectrallySelectedSuppression": "NONE",
    "OversamplingPhase": "2D",
    "GeometryOfKSpaceTraversal": "RECTILINEAR",
    "SegmentedKSpaceTraversal": "PARTIAL",
    "RectilinearPhaseEncodeReordering": "LINEAR",
    "NumberOfKSpaceTrajectories": 1,
}


def enhanced_image(images: Sequence[Dataset], uid: str, organisation: str) -> Dataset:
    """The images of a series as frames, in their order; of one matrix.

    Args:
        uid: SOPInstanceUID. organisation: UID of the order of the frames.
    """
    first = images[0]
    whole = Dataset()
    whole.update({element.tag: element for element in first if element.keyword not in _MOVED})
    whole.SOPClassUID, whole.SOPInstanceUID, whole.InstanceNumber = EnhancedMRImageStorage, uid, 1
    bits = max(int(image.BitsStored) for image in images)
    whole.BitsStored, whole.HighBit = bits, bits - 1
    for keyword, value in _image_attributes(first).items():
        setattr(whole, keyword, value)
    whole.NumberOfFrames = len(images)
    whole.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organisation)]
    whole.DimensionIndexSequence = [
        _item(
            DimensionIndexPointer=tag_for_keyword(keyword),
            FunctionalGroupPointer=tag_for_keyword("FrameContentSequence"),
            DimensionOrganizationUID=organisation,
        )
        for keyword in ("InStackPositionNumber", "TemporalPositionIndex")
    ]
    shared = Dataset()
    per_frame = [Dataset() for _ in images]
    for sequence, content in _GROUPS.items():
        items = [content(image) for image in images]
        if items[0] is None:
            continue
        if all(item == items[0] for item in items):
            setattr(shared, sequence, [items[0]])
        else:
            for group, item in zip(per_frame, items, strict=True):
                setattr(group, sequence, [item])
    for group, place in zip(per_frame, _frame_contents(images), strict=True):
        group.FrameContentSequence = [place]
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = [shared], per_frame
    whole.PixelData = b"".join(image.PixelData for image in images)
    whole["PixelData"].VR = "OW"
    return whole


def _image_attributes(first: Dataset) -> dict[str, Any]:
    """Enhanced MR Image, MR Pulse Sequence and Cardiac Synchronization modules, PS3.3 C.8.13 and C.7.6.18."""
    spin = _is_spin_echo(first)
    attributes = {
        "ImageType": _frame_type(first),
        "AcquisitionNumber": 1,
        "AcquisitionDateTime": first.AcquisitionDate + first.AcquisitionTime,
        "AcquisitionDuration": 10000.0,
        "ResonantNucleus": "1H",
        "KSpaceFiltering": "NONE",
        "ApplicableSafetyStandardAgency": "IEC",
        "PresentationLUTShape": "IDENTITY",
        "PixelPresentation": "MONOCHROME",
        "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE",
        "ComplexImageComponent": _component(first),
        "AcquisitionContrast": "T2" if spin else "T1",
        "ContentQualification": "RESEARCH",
        "AcquisitionContextSequence": [],
        "PulseSequenceName": first.get("SequenceName") or first.SeriesDescription[:16],
        "EchoPulseSequence": "SPIN" if spin else "GRADIENT",
        "SteadyStatePulseSequence": "NONE" if spin else "FREE_PRECESSION",
        **_PULSE_SEQUENCE,
    } | ({"MultipleSpinEcho": "NO"} if spin else {})
    if "TriggerTime" in first:
        technique = "RETROSPECTIVE" if first.CardiacNumberOfImages > 1 else "PROSPECTIVE"
        attributes |= {
            "CardiacSynchronizationTechnique": technique,
            "CardiacSignalSource": "ECG",
            "CardiacRRIntervalSpecified": float(first.NominalInterval),
            "CardiacBeatRejectionTechnique": "NONE",
            "LowRRValue": int(first.NominalInterval),
            "HighRRValue": int(first.NominalInterval),
            "IntervalsAcquired": 1,
            "IntervalsRejected": 0,
        }
    return attributes


def _frame_contents(images: Sequence[Dataset]) -> list[Dataset]:
    """Where each frame stands in its stack and in time."""
    places = [tuple(map(float, image.ImagePositionPatient)) for image in images]
    slices_so_far = [places[:count].count(place) for count, place in enumerate(places)]
    # without times the phases of a slice follow each other
    times = [float(image.get("TriggerTime", phase)) for image, phase in zip(images, slices_so_far, strict=True)]
    slices, phases = list(dict.fromkeys(places)), sorted(set(times))
    return [
        _item(
            FrameAcquisitionNumber=int(image.AcquisitionNumber),
            FrameReferenceDateTime=image.AcquisitionDate + image.AcquisitionTime,
            FrameAcquisitionDateTime=image.AcquisitionDate + image.AcquisitionTime,
            FrameAcquisitionDuration=10000.0,
            StackID="1",
            InStackPositionNumber=slices.index(place) + 1,
            TemporalPositionIndex=phases.index(time) + 1,
            DimensionIndexValues=[slices.index(place) + 1, phases.index(time) + 1],
        )
        for image, place, time in zip(images, places, times, strict=True)
    ]


def _measures(image: Dataset) -> Dataset:
    item = _item(PixelSpacing=image.PixelSpacing, SliceThickness=image.SliceThickness)
    if "SpacingBetweenSlices" in image:
        item.SpacingBetweenSlices = image.SpacingBetweenSlices
    return item


def _frame_kind(image: Dataset) -> Dataset:
    return _item(
        FrameType=_frame_type(image),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent=_component(image),
        AcquisitionContrast="T2" if _is_spin_echo(image) else "T1",
    )


def _timing(image: Dataset) -> Dataset:
    return _item(
        RepetitionTime=image.RepetitionTime,
        FlipAngle=image.FlipAngle,
        EchoTrainLength=int(image.EchoTrainLength),
        RFEchoTrainLength=int(image.EchoTrainLength) if _is_spin_echo(image) else 0,
        GradientEchoTrainLength=0 if _is_spin_echo(image) else int(image.EchoTrainLength),
        OperatingModeSequence=[_item(OperatingModeType="STATIC FIELD", OperatingMode="IEC_NORMAL")],
        SpecificAbsorptionRateSequence=[
            _item(SpecificAbsorptionRateDefinition="WHOLE_BODY", SpecificAbsorptionRateValue=1.0)
        ],
        GradientOutputType="DB_DT",
        GradientOutput=0.0,
    )


def _field_of_view(image: Dataset) -> Dataset:
    return _item(
        InPlanePhaseEncodingDirection="COLUMN",
        MRAcquisitionFrequencyEncodingSteps=int(image.Columns),
        MRAcquisitionPhaseEncodingStepsInPlane=int(image.Rows),
        PercentSampling=100.0,
        PercentPhaseFieldOfView=100.0,
    )


def _imaging_modifier(image: Dataset) -> Dataset:
    return _item(
        MagnetizationTransfer="NONE",
        BloodSignalNulling="YES" if _is_spin_echo(image) else "NO",
        Tagging="NONE",
        TransmitterFrequency=float(image.ImagingFrequency),
        PixelBandwidth=1000.0,
    )


def _modifier(image: Dataset) -> Dataset:
    inverted = "IR" in _codes(image.ScanningSequence)
    item = _item(
        InversionRecovery="YES" if inverted else "NO",
        FlowCompensation="NONE",
        Spoiling="NONE",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        PartialFourier="NO",
        ParallelAcquisition="NO",
    )
    if inverted:
        item.InversionTimes = [float(image.InversionTime)]
    return item


def _heartbeat(image: Dataset) -> Dataset | None:
    if "TriggerTime" not in image:
        return None
    return _item(
        NominalPercentageOfCardiacPhase=100 * float(image.TriggerTime) / float(image.NominalInterval),
        NominalCardiacTriggerDelayTime=float(image.TriggerTime),
        ActualCardiacTriggerDelayTime=float(image.TriggerTime),
        RRIntervalTimeNominal=float(image.NominalInterval),
    )


def _anatomy(image: Dataset) -> Dataset:
    region = _item(CodeValue=codes.SCT.Heart.value, CodingSchemeDesignator="SCT", CodeMeaning="Heart")
    return _item(FrameLaterality="U", AnatomicRegionSequence=[region])


_GROUPS: dict[str, Callable[[Dataset], Dataset | None]] = {
    "PixelMeasuresSequence": _measures,
    "PlanePositionSequence": lambda image: _item(ImagePositionPatient=image.ImagePositionPatient),
    "PlaneOrientationSequence": lambda image: _item(ImageOrientationPatient=image.ImageOrientationPatient),
    "FrameAnatomySequence": _anatomy,
    "PixelValueTransformationSequence": lambda image: _item(RescaleIntercept="0", RescaleSlope="1", RescaleType="US"),
    "FrameVOILUTSequence": lambda image: _item(WindowCenter=image.WindowCenter, WindowWidth=image.WindowWidth),
    "MRImageFrameTypeSequence": _frame_kind,
    "MRTimingAndRelatedParametersSequence": _timing,
    "MREchoSequence": lambda image: _item(EffectiveEchoTime=float(image.EchoTime)),
    "MRModifierSequence": _modifier,
    "MRFOVGeometrySequence": _field_of_view,
    "MRImagingModifierSequence": _imaging_modifier,
    "MRReceiveCoilSequence": lambda image: _item(
        ReceiveCoilName="PHANTOM", ReceiveCoilManufacturerName="", ReceiveCoilType="SURFACE", QuadratureReceiveCoil="NO"
    ),
    "MRTransmitCoilSequence": lambda image: _item(
        TransmitCoilName="PHANTOM", TransmitCoilManufacturerName="", TransmitCoilType="BODY"
    ),
    "MRAveragesSequence": lambda image: _item(NumberOfAverages=float(image.NumberOfAverages)),
    "CardiacSynchronizationSequence": _heartbeat,
}


def _frame_type(image: Dataset) -> list[str]:
    """ImageType of an enhanced object: its third value is the contrast, its fourth NONE; corrections may follow."""
    given = list(image.ImageType)
    contrast = "CINE" if image.get("CardiacNumberOfImages", 1) > 1 else "T2" if _is_spin_echo(image) else "T1"
    return [*given[:2], contrast, "NONE", *(value for value in given[2:] if value in _CORRECTIONS)]


def _component(image: Dataset) -> str:
    return next((_COMPONENTS[value] for value in image.ImageType[2:] if value in _COMPONENTS), "MAGNITUDE")


def _is_spin_echo(image: Dataset) -> bool:
    return "GR" not in _codes(image.ScanningSequence)


def _codes(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item
